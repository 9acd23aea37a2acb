"""Predicted cost of the trials of a plan."""

import heapq
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from study.config import Configuration, Execution
from study.events import Trial
from study.prediction.predictor import Predictor, TrialPrediction, make_predictor
from study.results import ResultStore

if TYPE_CHECKING:
    from study.data import Splits


@dataclass(frozen=True)
class Ahead:
    """What a search, or early stopping, makes of a plan.

    Attributes:
        possible: some configurations that the search could suggest.
        trials: how many it has yet to suggest.
        full_trials: the same as so many trials of full length.
        stopping_share: share of the epochs of the known trials that early stopping is expected to leave.
    """

    possible: Sequence[Configuration] = ()
    trials: int = 0
    full_trials: float = 0.0
    stopping_share: float = 1.0


@dataclass(frozen=True)
class Predictions:
    """What the trials of a plan should cost.

    Attributes:
        predictor: that they come from; also answers for configurations that no plan knows yet.
        trials: by trial_id; those of which nothing is known are not in it.
        missing: ids of the trials that are to run, in order.
        epochs_done: of the interrupted ones among them.
        ahead: what a search will run beyond them, and what early stopping leaves.
        to_come_each: what a trial of full length that a search has yet to suggest should cost; None where unknown.
    """

    predictor: Predictor
    trials: Mapping[str, TrialPrediction]
    missing: tuple[str, ...]
    epochs_done: Mapping[str, int]
    ahead: Ahead = Ahead()
    to_come_each: TrialPrediction | None = None

    @property
    def number(self) -> int:
        """How many trials are to run, those still to be suggested included."""
        return len(self.missing) + self.ahead.trials

    @property
    def left(self) -> tuple[TrialPrediction, ...]:
        """Of the trials that are to run and of which something is known, in order."""
        return tuple(self.trials[name] for name in self.missing if name in self.trials)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Ids of the trials that are to run and of which nothing is known."""
        return tuple(name for name in self.missing if name not in self.trials)

    @property
    def trials_device_seconds(self) -> float:
        """Of the trials that are to run, those still to be suggested included, as far as known."""
        planned = self.ahead.stopping_share * sum(one.left_device_seconds for one in self.left)
        return planned + self.ahead.full_trials * (self.to_come_each.device_seconds if self.to_come_each else 0.0)

    @property
    def groups_device_seconds(self) -> float | None:
        """What worker groups hold for no trial; None where unknown."""
        groups, seconds = self.predictor.groups(self.number), self.predictor.group_seconds
        capacity = self.predictor.conditions.capacity
        if groups is None or seconds is None or capacity is None:
            return None
        return groups * seconds * capacity.devices

    @property
    def device_seconds(self) -> float | None:
        """Of the whole run, worker groups included as far as known; None if nothing is known of a trial."""
        if self.unknown or (self.ahead.trials and self.to_come_each is None):
            return None
        return self.trials_device_seconds + (self.groups_device_seconds or 0.0)

    @property
    def wall_seconds(self) -> float | None:
        """From the first worker group to the last trial's end; None where unknown."""
        slots, start = self.predictor.slots(self.number), self.predictor.group_seconds
        if self.device_seconds is None or not slots or start is None:
            return None
        free = [start] * slots
        for one in self.left:
            heapq.heappushpop(free, free[0] + self.ahead.stopping_share * one.left_wall_seconds)
        to_come = self.ahead.full_trials * self.to_come_each.left_wall_seconds if self.to_come_each else 0.0
        return max(max(free), (sum(free) + to_come) / slots)

    @property
    def kept_bytes(self) -> float:
        """What the trials that are to run leave on the disk, as far as known."""
        to_come = self.ahead.trials * (self.to_come_each.kept_bytes if self.to_come_each else 0.0)
        return sum(one.kept_bytes for one in self.left) + to_come

    @property
    def running_bytes(self) -> float:
        """What unfinished trials take at most beside that; where it is unknown how many run at a time, all of them."""
        of_all = [one.running_bytes for one in self.left]
        if self.to_come_each is not None:
            of_all += [self.to_come_each.running_bytes] * self.ahead.trials
        largest = sorted(of_all, reverse=True)
        return sum(largest[: self.predictor.slots(self.number)])

    @property
    def basis(self) -> Mapping[str, int]:
        """What the predictions of the trials that are to run rest on, with the number of trials."""
        return Counter(one.basis for one in self.left)


def predict(
    predictor: Predictor, trials: Iterable[Trial], missing: Iterable[Trial], epochs_done: Mapping[str, int]
) -> Predictions:
    """What trials should cost.

    Args:
        predictor: what is known.
        trials: all of a plan.
        missing: those that are to run.
        epochs_done: of trials that go on from a checkpoint.
    """
    found = {trial.trial_id: predictor.of_trial(trial, epochs_done.get(trial.trial_id, 0)) for trial in trials}
    known = {name: one for name, one in found.items() if one is not None}
    return Predictions(predictor, known, tuple(trial.trial_id for trial in missing), epochs_done)


def predict_missing(
    execution: Execution,
    splits: "Splits",
    store: ResultStore,
    trials: Sequence[Trial],
    missing: Sequence[Trial],
    cache_dir: Path,
    *,
    rows: Iterable[Mapping[str, Any]],
    restart: Container[str] = (),
    ahead: Ahead = Ahead(),
) -> Predictions:
    """What the trials of a plan should cost, by all that is known without measuring.

    Args:
        execution: of the study.
        splits: its data.
        store: its results.
        trials: all trials of the plan.
        missing: those that are to run.
        cache_dir: folder of kept probes.
        rows: the store's rows of `trials`.
        restart: ids of those that start again from nothing, whatever checkpoint they have.
        ahead: what a search will run beyond the trials that are known.
    """
    wanted = [trial.configuration for trial in missing] + list(ahead.possible)
    to_run = len(missing) + ahead.trials
    predictor = make_predictor(execution, splits, store, wanted, cache_dir, trials=to_run, rows=rows)
    epochs_done = checkpointed_epochs(store, [trial for trial in missing if trial.trial_id not in restart])
    return expect(predict(predictor, trials, missing, epochs_done), ahead)


def expect(predictions: Predictions, ahead: Ahead) -> Predictions:
    """The predictions with what a search will run beyond the trials that are known."""
    known = [one for c in ahead.possible if (one := predictions.predictor.of(c)) is not None]
    each = None
    if known and len(known) == len(ahead.possible):
        each = replace(
            known[0],
            device_seconds=fmean(one.device_seconds for one in known),
            left_wall_seconds=fmean(one.left_wall_seconds for one in known),
        )
    return replace(predictions, ahead=ahead, to_come_each=each)


def checkpointed_epochs(store: ResultStore, trials: Iterable[Trial]) -> dict[str, int]:
    """Epochs of unfinished trials that their checkpoints hold, by trial_id.

    The epoch is read from the rows, which are written just before the checkpoint.
    """
    folder = store.folder / "checkpoints"
    begun = set(folder.folders())
    return {
        trial.trial_id: max((row["epoch"] for row in store.read_rows("epochs", trial.trial_id)), default=0)
        for trial in trials
        if trial.trial_id in begun and (folder / trial.trial_id).names(".pt")
    }
