"""Unit costs from the rows of trials that have run."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np

from study.prediction.conditions import Conditions
from study.prediction.costs import UnitCosts
from study.prediction.kinds import kind_of
from study.prediction.work import Frames, Work
from study.results import ResultStore

_NEWEST = 16
"""Rows that a median is taken over: the newest, should the code or the machine have changed."""

_PARAMETER_BYTES = 4
_STATE_FACTOR = 3
"""A checkpoint holds the parameters and two moments of each."""


@dataclass(frozen=True)
class _Measured:
    """A completed trial: who it was, under which conditions it ran, and its unit costs."""

    configuration_id: str
    kind: str
    data_hash: str
    beside: int
    ended_at: datetime
    costs: UnitCosts


@dataclass(frozen=True)
class _Nearest:
    """The newest trials of a kind, of those that ran most like those to come: all, and by configuration_id."""

    other_data: bool
    all: Sequence[_Measured]
    of: Mapping[str | None, Sequence[_Measured]]


@dataclass(frozen=True)
class _Span:
    """When and where a trial ran, in seconds since the epoch; the time between two attempts is left out."""

    hostname: str
    begin: float
    end: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "_Span":
        end = row["ended_at"].timestamp()
        return cls(row["hostname"], end - row["device_seconds"] / (row["workers"] * row["devices_per_worker"]), end)


def _beside(spans: Sequence[_Span]) -> list[int]:
    """How many trials ran at a time on each trial's machine while it did, itself included, on average."""
    machines: dict[str, list[int]] = defaultdict(list)
    for index, span in enumerate(spans):
        machines[span.hostname].append(index)
    found = [1] * len(spans)
    for here in machines.values():
        begins, ends = (np.array([getattr(spans[index], name) for index in here]) for name in ("begin", "end"))
        origin = begins.min()  # small numbers add up exactly enough
        begins, ends = begins - origin, ends - origin
        shared = _held(ends, begins, ends) - _held(begins, begins, ends)
        lengths = ends - begins
        for index, time, length in zip(here, shared, lengths, strict=True):
            found[index] = round(time / length) if length > 0 else 1
    return found


def _held(until: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Time that spans have lasted until each of these moments, all together."""

    def since(marks: np.ndarray) -> np.ndarray:
        marks = np.sort(marks)
        count = np.searchsorted(marks, until, side="right")
        return count * until - np.concatenate([[0.0], np.cumsum(marks)])[count]

    return since(begins) - since(ends)


class History:
    """Rows of completed trials that ran under the conditions that trials are to run under.

    Args:
        conditions: what trials are to run under.
        data_hash: of the data that they are to run on.
        frames: of these data.
    """

    def __init__(self, conditions: Conditions, data_hash: str, frames: Frames) -> None:
        self.conditions, self.data_hash = conditions, data_hash
        self._frames: dict[str, Frames | None] = {data_hash: frames}
        self._measured: dict[str, list[_Measured]] = defaultdict(list)
        self._nearest: dict[str, _Nearest] = {}
        self._groups: list[float] = []

    def read(self, store: ResultStore, rows: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Take in a study's rows. Imported ones say nothing about this platform, and do not count.

        Args:
            store: of the study.
            rows: its rows of `trials`, if they have been read already.
        """
        rows = [row for row in (store.trials() if rows is None else rows) if row["imported_from"] is None]
        spans = [_Span.of(row) for row in rows]
        found = False
        for row, beside in zip(rows, _beside(spans), strict=True):
            if row["status"] == "completed" and (measured := self._measure(row, beside, store)) is not None:
                self._measured[measured.kind].append(measured)
                found = True
        self._nearest.clear()
        if found:
            self._groups += _group_seconds(store.ledger(), self.conditions)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of trials that have run."""
        return tuple(self._measured)

    @property
    def configurations(self) -> dict[str, str]:
        """Kinds of the configurations that have run, by configuration_id."""
        return {one.configuration_id: one.kind for group in self._measured.values() for one in group}

    @property
    def group_seconds(self) -> float | None:
        """Wall time that a worker group is held for no trial: its start, waiting, its end."""
        return median(self._groups) if self._groups else None

    def costs(self, kind: str, configuration_id: str | None = None) -> UnitCosts:
        """Median unit costs of a kind that has run.

        Of its trials those count that ran on the same data, if there are any; of these those with the most similar
        number of trials beside them; and of these those of the same configuration.
        """
        if kind not in self._nearest:
            self._nearest[kind] = self._find_nearest(kind)
        nearest = self._nearest[kind]
        same = configuration_id in nearest.of
        newest = nearest.of[configuration_id] if same else nearest.all
        return _median([one.costs for one in newest], self._basis(newest, nearest.other_data, same))

    def _find_nearest(self, kind: str) -> "_Nearest":
        """Looks at all trials of a kind once, whatever number of configurations is asked for."""

        def distance(one: _Measured) -> tuple[bool, int]:
            beside = self.conditions.beside
            return one.data_hash != self.data_hash, 0 if beside is None else abs(one.beside - beside)

        nearest = min(map(distance, self._measured[kind]))
        chosen = sorted((one for one in self._measured[kind] if distance(one) == nearest), key=lambda one: one.ended_at)
        of: dict[str | None, list[_Measured]] = defaultdict(list)
        for one in chosen:
            of[one.configuration_id].append(one)
        return _Nearest(nearest[0], chosen[-_NEWEST:], {name: group[-_NEWEST:] for name, group in of.items()})

    def _basis(self, chosen: Sequence[_Measured], other_data: bool, same: bool) -> str:
        count = "a completed trial" if len(chosen) == 1 else f"{len(chosen)} completed trials"
        of = "of the same configuration" if same else "with the same kind of weighting and tracker"
        beside = self.conditions.beside
        differs = beside is not None and chosen[0].beside != beside
        return "".join(
            [
                f"{count} {of}",
                " on other data" if other_data else "",
                f", {chosen[0].beside} at a time instead of {beside}" if differs else "",
            ]
        )

    def _measure(self, row: Mapping[str, Any], beside: int, store: ResultStore) -> _Measured | None:
        """None if the row was made under other conditions, or on data whose length is not known any more."""
        resolved = json.loads(row["configuration"])
        if not self.conditions.include(row, resolved["train"]["precision"]):
            return None
        frames = self._frames_of(row["data_hash"], store)
        if frames is None:
            return None
        work = Work.of(resolved, frames)
        before = _epochs_before(row, store)
        epochs = work.epochs - before
        devices = row["workers"] * row["devices_per_worker"]
        model_bytes = float(_PARAMETER_BYTES * row["num_parameters"])
        costs = UnitCosts(
            devices=devices,
            startup_seconds=row["startup_seconds"] / devices,
            step_seconds=row["train_seconds"] / devices / (epochs * work.steps_per_epoch),
            overhead_seconds_per_epoch=row["overhead_seconds"] / devices / epochs,
            eval_seconds_per_frame=row["eval_seconds"] / devices / work.scored_frames(before),
            model_bytes=model_bytes,
            state_bytes=_STATE_FACTOR * model_bytes,
            basis="",
        )
        kind = kind_of(resolved)
        return _Measured(row["configuration_id"], kind, row["data_hash"], beside, row["ended_at"], costs)

    def _frames_of(self, data_hash: str, store: ResultStore) -> Frames | None:
        if data_hash not in self._frames:
            manifest = store.read_manifest(data_hash)
            self._frames[data_hash] = None if manifest is None else Frames.of(manifest)
        return self._frames[data_hash]


def _epochs_before(row: Mapping[str, Any], store: ResultStore) -> int:
    """Epochs that a trial of a population took over from its parent, which were paid there."""
    if row["suggested"] is None or json.loads(row["suggested"]).get("generation", 1) == 1:
        return 0
    return min((line["epoch"] for line in store.read_rows("epochs", row["trial_id"])), default=1) - 1


def _median(costs: Sequence[UnitCosts], basis: str) -> UnitCosts:
    names = [name for name in UnitCosts.__dataclass_fields__ if name != "basis"]
    return UnitCosts(**{name: median(getattr(one, name) for one in costs) for name in names}, basis=basis)


def _group_seconds(ledger: Iterable[Mapping[str, Any]], conditions: Conditions) -> list[float]:
    """What each worker group of a study was held for no trial."""
    groups: dict[str, float] = defaultdict(float)
    started = set()
    for entry in ledger:
        if entry["kind"] in ("startup", "idle"):
            groups[entry["group_id"]] += entry["held_seconds"]
        devices = conditions.workers * (conditions.devices_per_worker or 0) or entry["devices"]
        if entry["kind"] == "startup" and entry["status"] == "completed" and entry["devices"] == devices:
            started.add(entry["group_id"])
    return [seconds for group, seconds in groups.items() if group in started]
