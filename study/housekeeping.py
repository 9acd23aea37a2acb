"""Which checkpoints of a study are kept, and the removal of the others, so that a long study does not fill the disk.

Kept are the models of the best completed trial of every kind of weighting, of those on a Pareto front and of those that
another study's trials start from, and whatever a trial that is not finished needs to go on. Rows are never touched.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from study.results import LAST, MODEL, PREVIOUS, ResultStore
from study.schema import DONE
from study.starts import address, started_from

ABANDONED_SECONDS = 3600.0
"""A file that is being written is renamed within seconds; one older than this was left by a killed writer."""

_CHECKPOINTS = tuple(f"{name}.pt" for name in (LAST, PREVIOUS, MODEL))


@dataclass(frozen=True)
class Finding:
    """A file and what is to become of it: its path below the study's folder, its bytes, and why."""

    path: str
    size: int
    reason: str


@dataclass(frozen=True)
class _Figures:
    """What a completed trial is judged by."""

    trial_id: str
    weighting: str
    val_mota: float
    val_idf1: float
    device_seconds: float


class KeptModels:
    """The completed trials whose models are worth keeping, of those that were told.

    A trial that another one beats stays beaten, so that nothing is remembered of it: memory, and the work for one more
    trial, grow with what is kept.

    Attributes:
        reasons: by trial_id, why its model is kept.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._figures: dict[str, _Figures] = {}
        self.reasons: Mapping[str, str] = {}
        for row in rows:
            self._take(row)
        self._forget_beaten()

    def add(self, row: Mapping[str, Any]) -> list[str]:
        """Take in the row of a trial that ended; gives the trials whose models need not be kept any more."""
        self._take(row)
        return self._forget_beaten()

    def _take(self, row: Mapping[str, Any]) -> None:
        if row["status"] == "completed" and row.get("imported_from") is None:
            figures = _Figures(**{field.name: row[field.name] for field in fields(_Figures)})
            self._figures[figures.trial_id] = figures

    def _forget_beaten(self) -> list[str]:
        self.reasons = _reasons(self._figures.values())
        beaten = [trial_id for trial_id in self._figures if trial_id not in self.reasons]
        for trial_id in beaten:
            del self._figures[trial_id]
        return beaten


def _reasons(trials: Iterable[_Figures]) -> dict[str, str]:
    # Of equal trials one is kept, the same whatever the order: otherwise a study of equals would keep them all.
    ranked = sorted(trials, key=lambda trial: (-trial.val_mota, trial.device_seconds, trial.trial_id))
    reasons: dict[str, list[str]] = defaultdict(list)
    for trial in {trial.weighting: trial for trial in reversed(ranked)}.values():
        reasons[trial.trial_id].append(f"best val MOTA of {trial.weighting}")
    for trial in _front(ranked, lambda trial: trial.device_seconds):
        reasons[trial.trial_id].append("Pareto front of val MOTA and device-seconds")
    for trial in _front(ranked, lambda trial: -trial.val_idf1):
        reasons[trial.trial_id].append("Pareto front of val MOTA and val IDF1")
    return {trial_id: ", ".join(parts) for trial_id, parts in reasons.items()}


def _front(ranked: Iterable[_Figures], loss: Callable[[_Figures], float]) -> list[_Figures]:
    """Trials that no other one equals or beats in both `val_mota` and `loss`; of equal ones the first."""
    front: list[_Figures] = []
    for trial in sorted(ranked, key=lambda trial: (-trial.val_mota, loss(trial))):
        if not front or loss(trial) < loss(front[-1]):
            front.append(trial)
    return front


class HouseKeeper:
    """Removes models while a study runs, as its trials end.

    Args:
        store: the study's results.
        keep: `execution.keep_checkpoints`; with `all` nothing is removed.
    """

    def __init__(self, store: ResultStore, keep: Literal["best", "all"]) -> None:
        self._store = store
        self._kept = KeptModels(store.trials()) if keep == "best" else None

    def trial_ended(self, row: Mapping[str, Any]) -> None:
        """Remove the models that this trial makes superfluous, be it its own.

        Raises:
            UserError: a file cannot be removed.
        """
        for trial_id in [] if self._kept is None else self._kept.add(row):
            self._store.delete_checkpoint(trial_id, MODEL)


def survey(store: ResultStore) -> tuple[list[Finding], list[Finding]]:
    """Find what need not be kept, and the checkpoints that are, each list by path.

    Files are listed before ledger and rows are read: a trial that starts or ends meanwhile loses nothing.

    Raises:
        UserError: the results cannot be read.
    """
    files = store.folder.files()
    ledger = store.ledger()
    rows = {row["trial_id"]: row for row in store.trials()}
    running = {entry["trial_id"] for entry in ledger if entry["status"] == "running"}
    started = {entry["trial_id"] for entry in ledger}
    models = {**KeptModels(rows.values()).reasons, **_starting_points(store, rows.values())}

    def judge(trial_id: str, name: str) -> tuple[bool, str]:
        row = rows.get(trial_id)
        if trial_id in running:
            return True, "its trial is running"
        if row is None and trial_id not in started:
            return False, "no trial has this name"
        if row is None or row["status"] not in DONE:
            return True, f"its trial is not finished ({row['status'] if row else 'no row yet'})"
        if name in (LAST, PREVIOUS) and row["status"] == "pruned":
            return True, "its trial is paused, or others start from it"
        if name in (LAST, PREVIOUS):
            return False, f"its trial is finished ({row['status']})"
        return trial_id in models, models.get(trial_id, "neither best nor on a Pareto front")

    superfluous: list[Finding] = []
    kept: list[Finding] = []
    for file in files:
        *folders, name = file.path.split("/")
        if name.startswith(".") and name.endswith(".tmp"):
            if time.time() - file.modified > ABANDONED_SECONDS:
                superfluous.append(Finding(file.path, file.size, "left by a killed writer"))
        elif len(folders) == 2 and folders[0] == "checkpoints" and name in _CHECKPOINTS:
            keep, reason = judge(folders[1], name.removesuffix(".pt"))
            (kept if keep else superfluous).append(Finding(file.path, file.size, reason))
    return superfluous, kept


def _starting_points(store: ResultStore, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Trials of which other studies in the same results start (`train.start_from`), each with the reason to keep it."""
    users: dict[str, str] = {}
    for other in store.others():
        for row in other.trials():
            if row["imported_from"] is None and (start := started_from(row)) is not None:
                users[start] = other.study
    used = {row["trial_id"]: users.get(address(row)) for row in rows}
    return {trial_id: f"trials of {study} start from it" for trial_id, study in used.items() if study is not None}


def remove(store: ResultStore, finding: Finding) -> None:
    """Remove a file that `survey` found.

    Raises:
        UserError: it cannot be removed.
    """
    folder = store.folder
    *parents, name = finding.path.split("/")
    for parent in parents:
        folder /= parent
    folder.delete(name)
    if parents[:1] == ["checkpoints"]:
        folder.remove_empty()
