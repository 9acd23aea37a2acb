"""Imported rows in a study: what they replace there, and writing them."""

from collections.abc import Sequence
from dataclasses import dataclass

from study.imports.rows import Imported
from study.imports.taking import check_types
from study.results import ResultStore


@dataclass(frozen=True)
class Change:
    """What imported rows do to those of a study.

    Attributes:
        replaced: by trial_id, what the earlier row of the same run was imported from.
        removed: ids of rows that came from one of these CSV files, which no longer has them.
    """

    replaced: dict[str, str]
    removed: list[str]


def compare(store: ResultStore, imported: Sequence[Imported]) -> Change:
    """Compare imported rows with those that a study has.

    Raises:
        UserError: a setting is a number in one and text, a list or a truth in the other.
    """
    ids = {run.trial["trial_id"] for run in imported}
    tables = {run.taken.run.file for run in imported if run.taken.run.name is None}
    replaced, removed, others = {}, [], []
    for row in store.trials():
        if row["trial_id"] in ids:
            replaced[row["trial_id"]] = row["imported_from"]
        elif row["imported_from"] in tables:
            removed.append(row["trial_id"])
        else:
            others.append(row)
    check_types([run.taken for run in imported], others)
    return Change(replaced, removed)


def write(store: ResultStore, imported: Sequence[Imported], change: Change) -> None:
    """Write rows of `epochs` before that of their trial, so that a row of `trials` is that of a whole run."""
    for run in imported:
        trial_id = run.trial["trial_id"]
        if run.epochs or trial_id in change.replaced:
            store.write_rows("epochs", trial_id, run.epochs)
        store.write_trial(run.trial)
    for trial_id in change.removed:
        store.discard(trial_id)
