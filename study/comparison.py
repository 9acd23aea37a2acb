"""Whether two runs of a trial left the same rows, to the last bit, and if not, how far off they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from study.differences import changes
from study.rows import flatten
from study.schema import PACKAGES, ROW_KEYS, SCHEMAS, Table, comparable

ORDER: tuple[Table, ...] = ("steps", "epochs", "sequences", "trials")
"""What comes first in training comes first here."""

MADE_BY = (
    *("git_sha", "git_dirty", "diff_hash", "code_hash", "python_version", "schema_version"),
    *(f"{name}_version" for name in PACKAGES),
)
"""Columns of `trials` on the code and packages that made a row."""

_ASKED_FOR = ("study", "trial_id", "configuration_id", "configuration", "suggested", "imported_from")
"""Columns on what was to be computed, which is not the outcome of it."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ColumnDifference:
    """A column in which two runs differ.

    Attributes:
        table: its table.
        column: its name.
        rows: how many rows differ.
        of: how many rows were compared.
        largest: largest absolute difference; None for text, or where one value is missing or not finite.
        largest_relative: largest difference relative to the larger of the two values, likewise.
        first: the first row that differs, as `epoch=1 step=3 task=cls`.
        before: its value then.
        now: its value now.
    """

    table: Table
    column: str
    rows: int
    of: int
    largest: float | None
    largest_relative: float | None
    first: str
    before: Any
    now: Any


@dataclass(frozen=True)
class Comparison:
    """What two runs of a trial have in common.

    Attributes:
        tables: how many tables were compared.
        rows: how many rows were found in both.
        differences: by table and column; the first one is on the earliest row of the earliest table.
        lonely: lines on rows that only one of the two has.
    """

    tables: int
    rows: int
    differences: tuple[ColumnDifference, ...]
    lonely: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether all rows are equal to the last bit."""
        return not (self.differences or self.lonely)


def compare(before: Mapping[Table, Rows], now: Mapping[Table, Rows], *, whole: bool = True) -> Comparison:
    """Compare the rows of two runs of a trial, but for time, memory, host, date, code and packages.

    Args:
        before: by table, the rows of one run; only these tables are compared.
        now: rows of the other.
        whole: whether the first run came to its end; of one that broke off the rows that it has are compared.
    """
    rows = 0
    differences: list[ColumnDifference] = []
    lonely: list[str] = []
    for table in (name for name in ORDER if name in before):
        one, other = _frame(table, before[table]), _frame(table, now[table])
        lonely += _lonely(table, one.index.difference(other.index, sort=False), "then")
        lonely += _lonely(table, other.index.difference(one.index, sort=False), "now") if whole else []
        both = one.index.intersection(other.index, sort=False)
        rows += len(both)
        columns = (_column(table, one.loc[both, name], other.loc[both, name]) for name in one.columns)
        found = [(place, difference) for place, difference in columns if difference is not None]
        differences += [difference for _, difference in sorted(found, key=lambda pair: pair[0])]
    return Comparison(len(before), rows, tuple(differences), tuple(lonely))


def _frame(table: Table, rows: Rows) -> pd.DataFrame:
    """Rows by their key, with the columns that are compared."""
    left_out = (*MADE_BY, *_ASKED_FOR)
    columns = [name for name in SCHEMAS[table].names if name not in left_out]
    keys = [name for name in ROW_KEYS[table] if name not in left_out]
    frame = comparable(pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns))
    index = [" ".join(f"{name}={row[name]}" for name in keys) for row in rows]
    return frame.set_index(pd.Index(index, dtype=object)).drop(columns=keys)


def _column(table: Table, before: pd.Series, now: pd.Series) -> tuple[int, ColumnDifference | None]:
    """How two columns differ, and in which row first."""
    unequal = np.array([not _same(*pair) for pair in zip(before, now, strict=True)], dtype=bool)
    if not unequal.any():
        return 0, None
    place = int(unequal.argmax())
    largest, relative = _distances(before[unequal], now[unequal])
    return place, ColumnDifference(
        table,
        str(before.name),
        int(unequal.sum()),
        len(before),
        largest,
        relative,
        str(before.index[place]),
        before.tolist()[place],
        now.tolist()[place],
    )


def _same(before: Any, now: Any) -> bool:
    if pd.isna(before) or pd.isna(now):
        return bool(pd.isna(before) and pd.isna(now))
    if isinstance(before, float) and before == 0:
        return bool(now == 0 and np.signbit(before) == np.signbit(now))
    return bool(before == now)


def _distances(before: pd.Series, now: pd.Series) -> tuple[float | None, float | None]:
    """Largest absolute and relative difference of numbers."""
    one, other = (pd.to_numeric(column, errors="coerce").to_numpy(dtype=float) for column in (before, now))
    finite = np.isfinite(one) & np.isfinite(other)
    if not finite.all():
        return None, None
    distance, size = np.abs(one - other), np.maximum(np.abs(one), np.abs(other))
    return float(distance.max()), float((distance / np.where(size == 0, 1.0, size)).max())


def _lonely(table: Table, keys: Iterable[str], when: str) -> list[str]:
    keys = list(keys)
    return [f"{table}: {len(keys)} rows only {when}, the first {keys[0]}"] if keys else []


def made_otherwise(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Code and packages of two rows of `trials` where they differ, and settings that one of them did not know yet."""
    settings = changes(*(flatten(json.loads(row["configuration"])) for row in (before, now)))
    made = [f"{name} {before.get(name)} -> {now.get(name)}" for name in MADE_BY if before.get(name) != now.get(name)]
    return made + settings
