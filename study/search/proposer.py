"""What every searcher does; a list of trials, stages one after the other, the generations of a population."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from study.config import Study
from study.events import Trial
from study.results import LAST, ResultStore
from study.schema import Status
from study.search.members import generations, num_generations

Outcome = Status | Literal["paused"] | None
"""How a trial ended; `paused`: it may go on later; None: it was not started, the budget would not suffice."""


class Proposer(Protocol):
    """Says which trial comes next, and is told what became of it. Used by one thread."""

    @property
    def ended(self) -> bool:
        """Whether no more trials will come, whatever is told."""

    def next(self) -> Trial | None:
        """The next trial; None if there is none, for now or for good."""

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """A trial finished an epoch with these `val_` figures."""

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        """What became of a trial, with its figures by column of `trials`."""

    def close(self) -> None:
        """Let go of files."""


class Planned:
    """Trials in their order."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._left = list(reversed(list(trials)))

    @property
    def ended(self) -> bool:
        """Whether all have been given out."""
        return not self._left

    def next(self) -> Trial | None:
        """The next trial."""
        return self._left.pop() if self._left else None

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """Nothing depends on it."""

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        """Nothing depends on it."""

    def close(self) -> None:
        """Nothing is held."""


class Stages:
    """Proposers one after the other; each is made when all trials of the one before have ended."""

    def __init__(self, stages: Sequence[Callable[[], Proposer]]) -> None:
        self._later = list(stages)
        self._under_way: set[str] = set()
        self._now = self._later.pop(0)()

    @property
    def ended(self) -> bool:
        """Whether the last stage has given out all its trials."""
        return self._now.ended and not self._later

    def next(self) -> Trial | None:
        """The next trial of this stage, or of the one after it."""
        trial = self._now.next()
        while trial is None and self._now.ended and self._later and not self._under_way:
            self._now.close()
            self._now = self._later.pop(0)()
            trial = self._now.next()
        if trial is not None:
            self._under_way.add(trial.trial_id)
        return trial

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """Pass it on."""
        self._now.progress(trial, epoch, figures)

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        """Pass it on. A stage that lacks a result is the last: what follows would be chosen from too little."""
        self._under_way.discard(trial.trial_id)
        if outcome in (None, "interrupted"):
            self._later.clear()
        self._now.tell(trial, outcome, figures)

    def close(self) -> None:
        """Close the stage of now; those before are closed."""
        self._now.close()


class Generations:
    """The members of a population, one generation after the other."""

    def __init__(self, study: Study, data_hash: str, store: ResultStore) -> None:
        self._study, self._data_hash, self._store = study, data_hash, store
        self._under_way: set[str] = set()
        self._left: list[Trial] = []
        self._last = False
        self._look()

    @property
    def ended(self) -> bool:
        """Whether all members of the last generation have been given out."""
        return self._last and not self._left

    def next(self) -> Trial | None:
        """The next member of this generation."""
        if not self._left:
            return None
        trial = self._left.pop()
        self._under_way.add(trial.trial_id)
        return trial

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """Members are compared at the end of their generation."""

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Begin the next generation when all members of this one have ended."""
        self._under_way.discard(trial.trial_id)
        if outcome in (None, "interrupted"):
            self._last, self._left = True, []
        elif not self._under_way and not self._left:
            self._look()

    def close(self) -> None:
        """Nothing is held."""

    def _look(self) -> None:
        rows = self._store.trials()
        ended = {row["trial_id"] for row in rows if row["status"] != "interrupted"}
        members = generations(self._study, rows, self._data_hash)
        unique = {trial.trial_id: trial for trial in members[-1]}
        self._left = [trial for trial in reversed(unique.values()) if trial.trial_id not in ended]
        self._last = len(members) == num_generations(self._study)
        for generation in members[: -2 if self._left else -1]:  # nobody starts from them any more
            for trial in generation:
                self._store.delete_checkpoint(trial.trial_id, LAST)
