"""Tables of a results folder, loaded for analysis: of one study or of all, with their files checked."""

import json
import re
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from study.errors import UserError
from study.files import Folder, open_folder
from study.object_store import patiently
from study.parquet import open_current, read_rows, refusing_damage
from study.rows import cell, flatten
from study.schema import SCHEMAS, TABLES, Table, setting_column

_OF_ONE_TRIAL = re.compile(r"[0-9a-f]{16}(-[0-9]+)?\.parquet")
"""Names of files that hold the rows of one trial; in a kept study one file may hold those of all."""

_AT_A_TIME = 4
"""Files that are opened at once."""

_JOINED = 256
"""Trials whose rows are joined at once: a table of one row takes 140 kB, nearly all of it for being a table."""


def stored_studies(root: str | Path) -> list[str]:
    """Names of the studies that left anything in a results folder.

    Raises:
        UserError: the folder cannot be read.
    """
    place = open_folder(root)
    return [name for name in place.folders() if not set(TABLES).isdisjoint((place / name).folders())]


@overload
def load(
    path: str | Path, table: Table = ..., *, trial_ids: Collection[str] | None = ..., arrow: Literal[False] = ...
) -> pd.DataFrame: ...
@overload
def load(
    path: str | Path, table: Table = ..., *, trial_ids: Collection[str] | None = ..., arrow: Literal[True]
) -> ds.Dataset: ...
def load(
    path: str | Path, table: Table = "trials", *, trial_ids: Collection[str] | None = None, arrow: bool = False
) -> Any:
    """Load a table of one study or of all studies under a folder.

    Args:
        path: results folder, or the folder of one study in it; local or a URI (`s3://`, `gs://`).
        table: `trials`, `epochs`, `steps`, `sequences` or `ledger`.
        trial_ids: rows of these trials only; files of others are not opened.
        arrow: give an Arrow dataset, which can be filtered before it is read, instead of a data frame.

    Raises:
        UserError: no results there, an unreadable file, one of another schema version, or one that lacks columns.
    """
    root = open_folder(path)
    folders = table_folders(root, table)
    if not folders:
        raise UserError(
            f"{root}: no {table} here; expected [<study>/]{table}/*.parquet, as 'python -m study.run' writes"
        )
    files = [
        f"{folder.path}/{name}"
        for folder in folders
        for name in folder.names(".parquet")
        if trial_ids is None or not _OF_ONE_TRIAL.fullmatch(name) or name[:16] in trial_ids
    ]
    # Small files, maybe far away: what takes the time is to wait for them.
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        parts = pool.map(lambda file: _read(root, file, table, rows=table == "trials"), files)
        if table == "trials":
            dataset = ds.dataset(_with_settings(part for part in parts if part is not None))
        else:
            list(parts)
            dataset = ds.dataset(files, schema=SCHEMAS[table], format="parquet", filesystem=root.filesystem)
    if trial_ids is not None:
        dataset = dataset.filter(ds.field("trial_id").isin(pa.array(sorted(trial_ids), pa.string())))
    if arrow:
        return dataset
    with refusing_damage(f"{root}/{table}"):
        return patiently(lambda: dataset.to_table().to_pandas())


def table_folders(root: Folder, table: Table) -> list[Folder]:
    """Folders of a table at `root`, which is the folder of one study or holds those of several."""
    studies = (root, *(root / name for name in root.folders()))
    return [folder / table for folder in studies if table in folder.folders()]


def _with_settings(tables: Iterable[pa.Table]) -> pa.Table:
    """Rows of `trials` with a column for every setting that varies in any of their studies, filled for all rows."""
    schema = SCHEMAS["trials"]
    joined, waiting, found = [schema.empty_table()], [], set[str]()
    for part in tables:
        found.update(part.column_names)
        waiting.append(part.select(schema.names).cast(schema))
        if len(waiting) == _JOINED:
            joined.append(pa.concat_tables(waiting).combine_chunks())
            waiting = []
    table = pa.concat_tables([*joined, *waiting])
    names = sorted(found.difference(schema.names))
    settings = [flatten(json.loads(text)) for text in table["configuration"].to_pylist()]
    for name in names:
        cells = [cell(row.get(name)) for row in settings]
        kinds = {type(value) for value in cells if value is not None}
        unify = float if kinds == {int, float} else str if len(kinds) > 1 else (lambda value: value)
        column = pa.array([None if value is None else unify(value) for value in cells])
        table = table.append_column(setting_column(name, column.type), column)
    return table


def _read(root: Folder, path: str, table: Table, *, rows: bool = True) -> pa.Table | None:
    where = f"{root}{path.removeprefix(root.path)}"
    with refusing_damage(where), patiently(lambda: root.filesystem.open_input_file(path)) as source:
        file = open_current(source, where)
        present = set(file.schema_arrow.names)
        missing = [name for name in SCHEMAS[table].names if name not in present]
        if missing:
            raise UserError(
                f"{where}: lacks {', '.join(missing[:5])} of the columns of {table!r}; "
                "delete it, and its trial runs again"
            )
        return _checked(read_rows(file, where), table) if rows else None


def _checked(rows: pa.Table, table: Table) -> pa.Table:
    """Rows of which the columns that every file has are of the types that they should be."""
    rows.select(SCHEMAS[table].names).cast(SCHEMAS[table])
    for text in rows["configuration"].to_pylist():
        if not isinstance(json.loads(text), dict):
            raise ValueError("a configuration is no mapping")
    return rows
