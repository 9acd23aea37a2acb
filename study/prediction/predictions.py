"""Predicted cost of the trials of a plan."""

import heapq
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.config import Execution
from study.events import Trial
from study.prediction.predictor import Predictor, TrialPrediction, make_predictor
from study.results import ResultStore

if TYPE_CHECKING:
    from study.data import Splits


@dataclass(frozen=True)
class Predictions:
    """What the trials of a plan should cost.

    Attributes:
        predictor: that they come from; also answers for configurations that no plan knows yet.
        trials: by trial_id; those of which nothing is known are not in it.
        missing: ids of the trials that are to run, in order.
        epochs_done: of the interrupted ones among them.
    """

    predictor: Predictor
    trials: Mapping[str, TrialPrediction]
    missing: tuple[str, ...]
    epochs_done: Mapping[str, int]

    def of(self, trial_id: str) -> float | None:
        """Device-seconds that a trial still has to spend; None where nothing is known."""
        prediction = self.trials.get(trial_id)
        return None if prediction is None else prediction.left_device_seconds

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
        """Of the trials that are to run, as far as known."""
        return sum(one.left_device_seconds for one in self.left)

    @property
    def groups_device_seconds(self) -> float | None:
        """What worker groups hold for no trial; None where unknown."""
        groups, seconds = self.predictor.groups(len(self.missing)), self.predictor.group_seconds
        capacity = self.predictor.conditions.capacity
        if groups is None or seconds is None or capacity is None:
            return None
        return groups * seconds * capacity.devices

    @property
    def device_seconds(self) -> float | None:
        """Of the whole run, worker groups included as far as known; None if nothing is known of a trial."""
        return None if self.unknown else self.trials_device_seconds + (self.groups_device_seconds or 0.0)

    @property
    def wall_seconds(self) -> float | None:
        """From the first worker group to the last trial's end; None where unknown."""
        slots, start = self.predictor.slots(len(self.missing)), self.predictor.group_seconds
        if self.unknown or not slots or start is None:
            return None
        free = [start] * slots
        for one in self.left:
            heapq.heappushpop(free, free[0] + one.left_wall_seconds)
        return max(free)

    @property
    def kept_bytes(self) -> float:
        """What the trials that are to run leave on the disk, as far as known."""
        return sum(one.kept_bytes for one in self.left)

    @property
    def running_bytes(self) -> float:
        """What unfinished trials take at most beside that; where it is unknown how many run at a time, all of them."""
        largest = sorted((one.running_bytes for one in self.left), reverse=True)
        return sum(largest[: self.predictor.slots(len(self.missing))])

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
    found = {trial.trial_id: predictor.of(trial.configuration, epochs_done.get(trial.trial_id, 0)) for trial in trials}
    known = {name: prediction for name, prediction in found.items() if prediction is not None}
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
    """
    wanted = [trial.configuration for trial in missing]
    predictor = make_predictor(execution, splits, store, wanted, cache_dir, trials=len(missing), rows=rows)
    epochs_done = _checkpointed_epochs(store, [trial for trial in missing if trial.trial_id not in restart])
    return predict(predictor, trials, missing, epochs_done)


def _checkpointed_epochs(store: ResultStore, trials: Iterable[Trial]) -> dict[str, int]:
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
