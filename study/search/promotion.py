"""Asynchronous successive halving as published: trials pause at rungs, and the best of a rung are promoted to the next.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2. A trial that pauses keeps its
checkpoint, and a row that says `pruned`; promoted it goes on from there, charged to the same trial. What is never
promoted stays as it is. State are the rows of `epochs` and the checkpoints.

Deviation: in the end the leader goes on until one trial has trained to its end, which the rule alone does not promise.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from study.config import Study
from study.events import Trial
from study.progress import resumable
from study.results import ResultStore
from study.search.metrics import better, is_figure
from study.search.proposer import Outcome, Proposer
from study.search_config import ASHA, Population


def paused_trials(study: Study, rows: Iterable[Mapping[str, Any]], store: ResultStore) -> frozenset[str]:
    """Ids of trials whose rows say `pruned`, which is not their last word.

    With promotion these are the trials that have a checkpoint; without early stopping, if the study file had it before,
    all of them: they have not run their course.
    """
    stopping = study.early_stopping
    if stopping is None:
        pruned = (row["trial_id"] for row in rows if row["status"] == "pruned")
        return frozenset() if isinstance(study.search, Population) else frozenset(pruned)
    if not (isinstance(stopping, ASHA) and stopping.promote):
        return frozenset()
    return resumable(rows, store)


def standing(rows: Iterable[Mapping[str, Any]], paused: Collection[str]) -> list[dict[str, Any]]:
    """Rows of `trials` as they count for what is still to run: a paused trial's as that of an interrupted one."""
    return [{**row, "status": "interrupted"} if row["trial_id"] in paused else {**row} for row in rows]


@dataclass(frozen=True)
class Earlier:
    """What a trial came to in earlier runs of its study.

    Attributes:
        trial_id: the trial.
        figures: of its validated epochs, by epoch.
        epochs: how many it has finished.
        ended: whether its row says so; else it broke off.
        stopped: whether it ended early, and has not gone on since.
    """

    trial_id: str
    figures: Mapping[int, Mapping[str, Any]]
    epochs: int
    ended: bool
    stopped: bool = False


class Rungs:
    """What came to each rung with which figure, and who went on.

    A trial comes to a rung with the first figure that it has at this epoch or later; where figures are far between it
    may pass several rungs at once, and counts in each.

    Args:
        asha: grace epochs, reduction factor, metric.
        epochs: of a whole trial; it ends there without a rung.
    """

    def __init__(self, asha: ASHA, epochs: int) -> None:
        self._metric, self._factor, self._epochs = asha.metric, asha.reduction_factor, epochs
        self.levels: list[int] = []
        level = float(asha.grace_epochs)
        while round(level) < epochs:
            if round(level) not in self.levels:
                self.levels.append(round(level))
            level *= asha.reduction_factor
        self._figures: dict[int, dict[str, float]] = {level: {} for level in self.levels}
        self._promoted: dict[int, set[str]] = {level: set() for level in self.levels}
        self._finished = False

    def remember(self, earlier: Earlier) -> None:
        """Take in what a trial came to in earlier runs. Who trained on after its figure was promoted.

        Unless it is paused now: it may have heard of it an epoch late.
        """
        trial_id = earlier.trial_id
        for epoch, figures in sorted(earlier.figures.items()):
            self._arrive(trial_id, epoch, figures, went_on=epoch < earlier.epochs)
        if earlier.stopped and self.level(trial_id):
            self._promoted[self.level(trial_id)].discard(trial_id)

    def judge(self, trial_id: str, epoch: int, figures: Mapping[str, Any]) -> bool:
        """Take in the figures of an epoch, if there are any; returns whether the trial goes on at once."""
        self._arrive(trial_id, epoch, figures, went_on=False)
        passed = [level for level in self.levels if level <= epoch and trial_id in self._figures[level]]
        # Asked at every epoch: whoever broke off before it heard the verdict of a rung hears it at the next.
        return not passed or self._promote(trial_id, passed[-1])

    def promote(self, trial_id: str) -> bool:
        """Whether a paused trial goes on: it is among the best of its rung, or has come to none of these rungs."""
        level = self.level(trial_id)
        return level == 0 or self._promote(trial_id, level)

    def level(self, trial_id: str) -> int:
        """Epoch of the highest rung that a trial has reached; 0 if it has not reached any."""
        return max((level for level in self.levels if trial_id in self._figures[level]), default=0)

    def _arrive(self, trial_id: str, epoch: int, figures: Mapping[str, Any], *, went_on: bool) -> None:
        """Count a trial in the rungs that it comes to with these figures.

        It has passed all but the highest of them, and that one too if it `went_on` since or this was its last epoch.
        """
        at_end = epoch >= self._epochs
        self._finished = self._finished or at_end
        if self._metric not in figures:
            return
        figure = figures[self._metric]
        reached = [level for level in self.levels if level <= epoch and trial_id not in self._figures[level]]
        for level in reached:
            self._figures[level][trial_id] = better(self._metric) * figure if is_figure(figure) else -math.inf
        for level in reached if went_on or at_end else reached[:-1]:
            self._promoted[level].add(trial_id)

    def _promote(self, trial_id: str, level: int) -> bool:
        """Whether a trial passes a rung: it is among the best 1 / reduction_factor there, or was before."""
        rung = self._figures[level]
        best = sorted(rung, key=lambda other: rung[other], reverse=True)[: int(len(rung) / self._factor)]
        if trial_id in best:
            self._promoted[level].add(trial_id)
        return trial_id in self._promoted[level]

    def promote_leader(self, paused: Iterable[str]) -> str | None:
        """The best of the highest rung, which goes on if nobody has trained to the end; else None."""
        if self._finished:
            return None
        levels = {trial_id: self.level(trial_id) for trial_id in paused}
        standing = {trial_id: (level, self._figures[level][trial_id]) for trial_id, level in levels.items()}
        leader = max(standing, key=lambda trial_id: standing[trial_id], default=None)
        if leader is not None:
            self._promoted[standing[leader][0]].add(leader)
        return leader


class Promoting:
    """A proposer that gives out paused trials again when they may go on, before anything new.

    Args:
        inner: proposes new trials.
        rungs: who may go on.
        paused: ids of trials that paused in an earlier run.
        settle: called with a trial that will never go on; returns its figures by column of `trials`.
    """

    def __init__(
        self, inner: Proposer, rungs: Rungs, paused: Iterable[str], settle: Callable[[Trial], Mapping[str, Any]]
    ) -> None:
        self._inner, self._rungs, self._settle = inner, rungs, settle
        self._paused_before = set(paused)
        self._paused: dict[str, Trial] = {}
        self._under_way: set[str] = set()
        self._broken_off = False

    @property
    def ended(self) -> bool:
        """Whether the inner proposer has ended and no paused trial can be promoted any more."""
        return self._broken_off or (self._inner.ended and not self._paused and not self._under_way)

    def next(self) -> Trial | None:
        """A paused trial that may go on, else a new one."""
        if self._broken_off:
            return None
        for trial_id in sorted(self._paused, key=self._rungs.level, reverse=True):
            if self._rungs.promote(trial_id):
                return self._give(self._paused.pop(trial_id))
        while (trial := self._inner.next()) is not None:
            if trial.trial_id not in self._paused_before or self._rungs.promote(trial.trial_id):
                return self._give(trial)
            self._paused[trial.trial_id] = trial
        if self._inner.ended and not self._under_way:
            # Nothing new will come to the rungs. With few trials the published rule may leave nobody to finish.
            leader = self._rungs.promote_leader(self._paused)
            if leader is not None:
                return self._give(self._paused.pop(leader))
            for trial in self._paused.values():
                self._inner.tell(trial, "pruned", self._settle(trial))
            self._paused.clear()
        return None

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """Pass it on."""
        self._inner.progress(trial, epoch, figures)

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        """Keep what pauses; pass anything else on."""
        self._under_way.discard(trial.trial_id)
        if outcome == "paused":
            self._paused[trial.trial_id] = trial
            return
        if outcome in (None, "interrupted"):
            self._broken_off = True
        self._inner.tell(trial, outcome, figures)

    def close(self) -> None:
        """Let go of files."""
        self._inner.close()

    def _give(self, trial: Trial) -> Trial:
        self._under_way.add(trial.trial_id)
        return trial
