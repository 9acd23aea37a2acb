"""Predicted cost of any configuration."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.config import Configuration, Execution, digest
from study.errors import UserError
from study.events import Trial
from study.prediction.conditions import Conditions, find_conditions
from study.prediction.costs import UnitCosts
from study.prediction.disk import rows_bytes
from study.prediction.history import History
from study.prediction.kinds import kind_of
from study.prediction.measurement import KeptProbes, Measurement
from study.prediction.work import Frames, Work
from study.results import ResultStore

if TYPE_CHECKING:
    from study.data import Splits


@dataclass(frozen=True)
class TrialPrediction:
    """What a trial should cost.

    Attributes:
        device_seconds: of the whole trial, at its full length.
        left_device_seconds: still to spend: an interrupted trial goes on from its checkpoint.
        left_wall_seconds: the same without counting devices.
        kept_bytes: rows and trained network.
        running_bytes: the last two checkpoints of the unfinished trial.
        basis: what that rests on.
    """

    device_seconds: float
    left_device_seconds: float
    left_wall_seconds: float
    kept_bytes: float
    running_bytes: float
    basis: str

    def scaled(self, share: float) -> "TrialPrediction":
        """Of a trial that trains this share of its epochs."""
        return replace(
            self,
            device_seconds=share * self.device_seconds,
            left_device_seconds=share * self.left_device_seconds,
            left_wall_seconds=share * self.left_wall_seconds,
        )


@dataclass(frozen=True)
class Predictor:
    """Predicts any configuration on the data of a study. Can be pickled; a prediction takes less than a millisecond.

    Attributes:
        execution: of the study.
        conditions: what its trials run on.
        frames: of its data.
        kinds: unit costs by kind of trial.
        configurations: those of configurations that have run, by configuration_id.
        group_seconds: wall time that a worker group is held for no trial; None where unknown.
    """

    execution: Execution
    conditions: Conditions
    frames: Frames
    kinds: Mapping[str, UnitCosts]
    configurations: Mapping[str, UnitCosts]
    group_seconds: float | None

    def costs(self, configuration: Configuration) -> UnitCosts | None:
        """Unit costs of a trial; None where nothing is known of its kind."""
        resolved = configuration.resolved()
        return self.configurations.get(digest(resolved)) or self.kinds.get(kind_of(resolved))

    def of(self, configuration: Configuration, epochs_done: int = 0) -> TrialPrediction | None:
        """What a trial should cost of which so many epochs are done; None where nothing is known of its kind."""
        costs = self.costs(configuration)
        if costs is None:
            return None
        work = Work.of(configuration.resolved(), self.frames)
        return TrialPrediction(
            device_seconds=costs.device_seconds(work),
            left_device_seconds=costs.device_seconds(work, epochs_done),
            left_wall_seconds=costs.wall_seconds(work, epochs_done),
            kept_bytes=costs.model_bytes + rows_bytes(work),
            running_bytes=2 * costs.state_bytes,
            basis=costs.basis,
        )

    def of_trial(self, trial: Trial, epochs_done: int = 0) -> TrialPrediction | None:
        """The same of a trial, which may train only a share of its configuration's epochs."""
        whole = self.of(trial.configuration, epochs_done)
        return None if whole is None else whole.scaled(trial.share)

    def device_seconds(self, configuration: Configuration) -> float | None:
        """Device-seconds of a whole trial; None where nothing is known of its kind."""
        prediction = self.of(configuration)
        return None if prediction is None else prediction.device_seconds

    def slots(self, trials: int) -> int | None:
        """How many of so many trials run at a time; None on a cluster that is not connected."""
        capacity = self.conditions.capacity
        return None if capacity is None else min(capacity.slots, trials)

    def groups(self, trials: int) -> int | None:
        """How many worker groups so many trials take, if each of the slots gets as many trials as the others."""
        slots = self.slots(trials)
        if slots is None:
            return None
        jobs = self.execution.jobs_per_group if self.execution.warm_groups else 1
        shares = [trials // slots + (slot < trials % slots) for slot in range(slots)] if slots else []
        return sum(1 if jobs is None else -(-share // jobs) for share in shares)

    def knowing(self, measured: Mapping[str, Measurement]) -> "Predictor":
        """This predictor with the measurements of probes, by kind."""
        capacity = self.conditions.capacity
        assert capacity is not None, "a probe stands for trials on this machine only"
        costs = {kind: one.costs(capacity.devices) for kind, one in measured.items()}
        seconds = self.group_seconds
        if seconds is None and measured:
            seconds = max(one.group_startup_seconds for one in measured.values())
        return replace(self, kinds={**costs, **self.kinds}, group_seconds=seconds)


def make_predictor(
    execution: Execution,
    splits: "Splits",
    store: ResultStore,
    configurations: Sequence[Configuration],
    cache_dir: Path,
    *,
    trials: int,
    rows: Iterable[Mapping[str, Any]] | None = None,
) -> Predictor:
    """Gather what is known of the cost of trials: rows of this study, of others beside it, and probes that were kept.

    Args:
        execution: of the study.
        splits: its data.
        store: its rows.
        configurations: of trials that are to run, as far as they are known yet.
        cache_dir: probes lie in its folder `probes`.
        trials: how many are to run.
        rows: the store's rows of `trials`, if they have been read already.
    """
    conditions = find_conditions(execution, trials)
    frames = Frames.of(splits.manifest)
    history = History(conditions, splits.data_hash, frames)
    history.read(store, rows)
    wanted = {kind_of(one.resolved()): one for one in configurations}
    # On a cluster nothing says whether another study ran on the same machines.
    if conditions.elsewhere is None and not wanted.keys() <= set(history.kinds):
        for other in store.others():
            with suppress(UserError):  # results of another version do not concern this study
                history.read(other)
    predictor = Predictor(
        execution,
        conditions,
        frames,
        {kind: history.costs(kind) for kind in history.kinds},
        {name: history.costs(kind, name) for name, kind in history.configurations.items()},
        history.group_seconds,
    )
    if conditions.elsewhere is not None:
        return predictor
    kept = KeptProbes(cache_dir, conditions, splits.data_hash)
    found = {kind: kept.read(wanted[kind]) for kind in wanted.keys() - predictor.kinds.keys()}
    return predictor.knowing({kind: measurement for kind, measurement in found.items() if measurement is not None})
