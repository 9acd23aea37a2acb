"""The names that past runs may use: columns of `trials`, dotted settings, and series over epochs.

A slash may stand for the first underscore of a column, as in TensorBoard's tags: `val/mota` is `val_mota`. The loss and
the loss weight of a task have names for their series only: `train/loss/cls`, `train/loss_weight/cls`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from study.config import Data, Train
from study.errors import UserError, nearest
from study.imports.runs import Run
from study.schema import DIAGNOSTICS, METRICS, SCHEMAS, TEXT

_OF_THE_PLATFORM = {
    *("study", "trial_id", "configuration_id", "configuration", "suggested", "imported_from", "schema_version"),
    *("attempts", "predicted_device_seconds", "git_dirty", "diff_hash", "code_hash", "hostname"),
}
_KINDS = {"weighting": "weighting.kind", "tracker": "tracker.kind", "objective": "objective.name"}

COLUMNS: dict[str, pa.Field] = {
    field.name: field for field in SCHEMAS["trials"] if field.name not in {*_OF_THE_PLATFORM, *_KINDS}
} | {"data_name": pa.field("data_name", TEXT)}
"""Columns of `trials` that a source may fill, and `data_name`, whose hash is the `data_hash` of a run."""

FIGURES = frozenset(prefix + name for prefix in ("val_", "test_") for name in METRICS | DIAGNOSTICS)
"""Columns that say how good a run was."""

_FIELDS = {"train": set(Train.model_fields), "data": set(Data.model_fields) - {"root"}}
_ROOTS = {"weighting", "tracker", "objective", "other"}
"""Settings under these may have any name: of a part that lives elsewhere, or `other.NAME` if the platform has none."""

_LOSS = re.compile(r"(?P<split>train|val)/(?P<column>loss|loss_weight)/(?P<task>[^/]+)")

_KNOWN = {*COLUMNS, *_KINDS, *(f"{root}.{name}" for root, names in _FIELDS.items() for name in names), "weighting.lr"}
_EXAMPLES = "settings are named like train.lr or other.NAME, figures like val_mota, the cost device_seconds"


def canonical(name: str) -> str | None:
    """The one name of what `name` means, or None if it is unknown. Settings are those with a dot."""
    if name in _KINDS:
        return _KINDS[name]
    if name in COLUMNS or _LOSS.fullmatch(name):
        return name
    root, *parts = name.split(".")
    if parts and all(parts) and (root in _ROOTS or parts[0] in _FIELDS.get(root, ())):
        return name
    column = name.replace("/", "_", 1)
    return column if column in COLUMNS else None


def place_in_epochs(name: str) -> tuple[str, str, str] | None:
    """Split, task and column of `epochs` for a series; None if that table has no place for it."""
    if match := _LOSS.fullmatch(name):
        return match["split"], match["task"], match["column"]
    prefix, _, metric = name.partition("_")
    return ("val", "", metric) if prefix == "val" and metric in METRICS | DIAGNOSTICS else None


@dataclass(frozen=True)
class Naming:
    """How the names of a source are taken.

    Attributes:
        renamed: the source's names to ours.
        ignored: the source's names that are left out.
        name_columns: columns of CSV files that tell a run apart; without them its settings, seed and data do.
        known_only: leave out all names that are unknown.
    """

    renamed: Mapping[str, str]
    ignored: frozenset[str] = frozenset()
    name_columns: Sequence[str] = ()
    known_only: bool = False

    def __post_init__(self) -> None:
        for theirs, ours in self.renamed.items():
            if canonical(ours) is None:
                raise UserError(f"--map {theirs}={ours}: {ours!r} is not known; {_nearest(ours)}")

    def ours(self, theirs: str, run: Run) -> str | None:
        """Our name for a name of a run; None if it is left out.

        Raises:
            UserError: it is unknown, with the nearest known one.
        """
        if theirs in self.ignored:
            return None
        ours = canonical(self.renamed.get(theirs, theirs))
        if ours is not None and (theirs in run.series or not _LOSS.fullmatch(ours)):
            return ours
        if self.known_only or theirs in self.name_columns:
            return None
        raise UserError(
            f"{run.source}: {run.noun} {theirs!r} is not known; {_nearest(theirs)} "
            f"(rename it with --map '{theirs}=OURS', or leave it out with --ignore '{theirs}')"
        )


def _nearest(name: str) -> str:
    return nearest(name.lower(), _KNOWN, otherwise=_EXAMPLES)
