"""Rows of a study in Parquet files: written whole, read with their schema checked, loaded for analysis.

    results/<study>/trials/<trial_id>.parquet       one row
    results/<study>/steps/<trial_id>.parquet        one file a trial, also epochs/ and sequences/
    results/<study>/ledger/<entry_id>.parquet       time that devices were held
    results/<study>/checkpoints/<trial_id>/*.pt     and logs/<trial_id>.log
    results/<study>/data/<data_hash>.json           manifest of the data that were read
    results/<study>/diffs/<diff_hash>.diff          what the code differed in from its commit, for `git apply`

A trial's file is replaced as a whole by one that holds more, so rows appear once, whatever is killed when.
"""

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from study.errors import UserError
from study.files import Folder, open_folder, write_file
from study.provenance import provenance
from study.rows import cell, cost, differing, flatten, label, labels, trial_row
from study.schema import ROW_KEYS, SCHEMA_VERSION, SCHEMAS, TABLES, Table, comparable, setting_column

__all__ = [
    "LAST",
    "MODEL",
    "ResultStore",
    "cell",
    "comparable",
    "cost",
    "differing",
    "flatten",
    "label",
    "labels",
    "load",
    "provenance",
    "stored_studies",
    "trial_row",
    "write_file",
]

LAST = "last"
"""Checkpoint from which an unfinished trial goes on."""

MODEL = "model"
"""Checkpoint of a completed trial, for `study.track`."""

RowTable = Literal["steps", "epochs", "sequences"]
_ROW_TABLES: tuple[RowTable, ...] = ("steps", "epochs", "sequences")


_OF_ONE_TRIAL = re.compile(r"[0-9a-f]{16}(-[0-9]+)?\.parquet")
"""Names of files that hold the rows of one trial; in a kept study one file may hold those of all."""


class ResultStore:
    """The folder of one study: all its tables, checkpoints and logs. Can be pickled and used from several processes.

    Args:
        root: folder of all studies' results, or its URI (`s3://`, `gs://`).
        study: name of the study.
        create: make the folders; without it the store can be read from only.

    Raises:
        UserError: the folder cannot be made or written.
    """

    def __init__(self, root: str | Path, study: str, *, create: bool = True) -> None:
        self.study = study
        self._root = open_folder(root)
        self.folder = self._root / study
        if create:
            self.folder.create()
            for table in TABLES if self.folder.is_local else ():
                (self.folder / table).create()

    def write_trial(self, row: Mapping[str, Any]) -> None:
        """Write a trial's row of `trials`, in place of an earlier one; `trial_row` makes it."""
        settings = [setting_column(name, pa.array([row[name]]).type) for name in row if "." in name]
        schema = pa.schema([*SCHEMAS["trials"], *settings], metadata=SCHEMAS["trials"].metadata)
        self._write("trials", row["trial_id"], [{**row, "study": self.study}], schema)

    def trials(self) -> list[dict[str, Any]]:
        """All rows of `trials`, by trial_id."""
        return self._read_all("trials")

    def trial(self, trial_id: str) -> dict[str, Any] | None:
        """A trial's row of `trials`, or None."""
        return next(iter(self._read("trials", trial_id)), None)

    def write_rows(self, table: RowTable, trial_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace a trial's rows of a table by these, which hold the earlier ones too.

        Study and trial_id are filled in. Of rows with the same key (`study.schema.ROW_KEYS`) the last one stands.
        """
        named = [{**row, "study": self.study, "trial_id": trial_id} for row in rows]
        distinct = {tuple(row[name] for name in ROW_KEYS[table]): row for row in named}
        self._write(table, trial_id, list(distinct.values()), SCHEMAS[table])

    def read_rows(self, table: RowTable, trial_id: str) -> list[dict[str, Any]]:
        """A trial's rows of a table, in the order they were written; none if there are none yet."""
        return self._read(table, trial_id)

    def write_ledger(self, entry: Mapping[str, Any]) -> None:
        """Write an entry on held devices, in place of the one with the same `entry_id`."""
        self._write("ledger", entry["entry_id"], [{**entry, "study": self.study}], SCHEMAS["ledger"])

    def ledger(self, trial_id: str | None = None) -> list[dict[str, Any]]:
        """Entries on a trial, whose names begin with its id, or all of the study's."""
        if trial_id is None:
            return self._read_all("ledger")
        return [entry for entry in self._read_all("ledger", f"{trial_id}-") if entry["trial_id"] == trial_id]

    def next_attempt(self, trial_id: str) -> int:
        """Number of a trial's next attempt, whose entry `<trial_id>-<number>` takes the place of no other."""
        names = (self.folder / "ledger").names(".parquet")
        numbers = (name.removesuffix(".parquet").rpartition("-") for name in names)
        return 1 + max((int(number) for name, _, number in numbers if name == trial_id), default=0)

    def write_checkpoint(self, trial_id: str, name: str, data: bytes) -> None:
        """Keep a state of a trial, in place of the one of the same name."""
        (self.folder / "checkpoints" / trial_id).write(f"{name}.pt", data)

    def read_checkpoint(self, trial_id: str, name: str) -> bytes | None:
        """A state of a trial, or None."""
        return (self.folder / "checkpoints" / trial_id).read(f"{name}.pt")

    def has_checkpoint(self, trial_id: str, name: str) -> bool:
        """Whether there is a state of a trial."""
        return f"{name}.pt" in (self.folder / "checkpoints" / trial_id).names(".pt")

    def delete_checkpoint(self, trial_id: str, name: str) -> None:
        """Remove a state of a trial, if there is one, and the folder of the trial's last one."""
        checkpoints = self.folder / "checkpoints" / trial_id
        checkpoints.delete(f"{name}.pt")
        checkpoints.remove_empty()

    def write_manifest(self, data_hash: str, manifest: Mapping[str, Any]) -> None:
        """Keep what was read under a data hash, as JSON in `data/`."""
        (self.folder / "data").write(f"{data_hash}.json", json.dumps(manifest, indent=1).encode())

    def write_difference(self, diff_hash: str, difference: bytes) -> None:
        """Keep what the code differed in from its commit, under the name that rows have for it (`diff_hash`)."""
        (self.folder / "diffs").write(f"{diff_hash}.diff", difference)

    def read_manifest(self, data_hash: str) -> dict[str, Any] | None:
        """What `write_manifest` kept under a data hash; None if there is nothing, or nothing that can be read."""
        try:
            return json.loads((self.folder / "data").read(f"{data_hash}.json") or b"null")
        except ValueError:
            return None

    @property
    def root_address(self) -> str:
        """Address of the folder of all studies' results."""
        return str(self._root.address)

    def others(self) -> list["ResultStore"]:
        """Stores of the other studies in the same results folder, to read from."""
        names = [name for name in self._root.folders() if name != self.study]
        return [ResultStore(self._root.address, name, create=False) for name in names]

    def discard(self, trial_id: str) -> None:
        """Forget a trial's rows and checkpoints; what it cost is charged to the study, as `superseded`.

        Killed half-way it leaves the row of `trials` that counts as finished, with all rows, or a trial that will start
        from nothing. Every device-second stays charged once.
        """
        checkpoints = self.folder / "checkpoints" / trial_id
        checkpoints.delete(f"{LAST}.pt")
        for entry in self.ledger(trial_id):
            self.write_ledger({**entry, "trial_id": None, "kind": "superseded"})
        for table in ("trials", *_ROW_TABLES):
            (self.folder / table).delete(f"{trial_id}.parquet")
        for name in checkpoints.names(".pt"):
            checkpoints.delete(name)
        checkpoints.remove_empty()

    def log_path(self, trial_id: str) -> Path:
        """Local file for a trial's log; its folder is made. Results elsewhere have their logs in `results/` here."""
        logs = self.local_folder() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{trial_id}.log"

    def local_folder(self) -> Path:
        """The study's folder for what can lie on a disk of this machine only; made if need be."""
        folder = Path(self.folder.path) if self.folder.is_local else Path("results", self.study).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _write(self, table: Table, name: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(_table(table, rows, schema), sink)
        (self.folder / table).write(f"{name}.parquet", sink.getvalue().to_pybytes())

    def _read(self, table: Table, name: str) -> list[dict[str, Any]]:
        data = (self.folder / table).read(f"{name}.parquet")
        return [] if data is None else _parse(data, f"{self.folder}/{table}/{name}.parquet").to_pylist()

    def _read_all(self, table: Table, prefix: str = "") -> list[dict[str, Any]]:
        folder = self.folder / table
        read = ((name, folder.read(name)) for name in folder.names(".parquet") if name.startswith(prefix))
        return [row for name, data in read if data is not None for row in _parse(data, f"{folder}/{name}").to_pylist()]


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
            f"{path}: no {table} here; expected [<study>/]{table}/*.parquet, as 'python -m study.run' writes"
        )
    files = [
        f"{folder.path}/{name}"
        for folder in folders
        for name in folder.names(".parquet")
        if trial_ids is None or not _OF_ONE_TRIAL.fullmatch(name) or name[:16] in trial_ids
    ]
    if table == "trials":
        dataset = ds.dataset(_with_settings([_read(root, file, table) for file in files]))
    else:
        for file in files:
            _read(root, file, table, rows=False)
        dataset = ds.dataset(files, schema=SCHEMAS[table], format="parquet", filesystem=root.filesystem)
    if trial_ids is not None:
        dataset = dataset.filter(ds.field("trial_id").isin(pa.array(sorted(trial_ids), pa.string())))
    return dataset if arrow else dataset.to_table().to_pandas()


def table_folders(root: Folder, table: Table) -> list[Folder]:
    """Folders of a table at `root`, which is the folder of one study or holds those of several."""
    studies = (root, *(root / name for name in root.folders()))
    return [folder / table for folder in studies if table in folder.folders()]


def _with_settings(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of `trials` with a column for every setting that varies in any of their studies, filled for all rows."""
    schema = SCHEMAS["trials"]
    table = pa.concat_tables([schema.empty_table(), *(part.select(schema.names).cast(schema) for part in tables)])
    names = sorted({name for part in tables for name in part.column_names if name not in schema.names})
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
    try:
        source = root.filesystem.open_input_file(path)
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror or error})") from None
    with source:
        file = _open(source, where)
        present = set(file.schema_arrow.names)
        missing = [name for name in SCHEMAS[table].names if name not in present]
        if missing:
            raise UserError(
                f"{where}: lacks {', '.join(missing[:5])} of the columns of {table!r}; "
                "delete it, and its trial runs again"
            )
        return file.read(use_threads=False) if rows else None


def _table(table: Table, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table; counts that were not measured (NaN) become null."""
    for name in {name for row in rows for name in row} - set(schema.names):
        raise ValueError(f"table {table!r} has no column {name!r}")
    counts = [field.name for field in schema if pa.types.is_integer(field.type)]
    clean = [
        {**row, **{name: None for name in counts if isinstance(row.get(name), float) and math.isnan(row[name])}}
        for row in rows
    ]
    return pa.Table.from_pylist(clean, schema=schema)


def _parse(data: bytes, where: str) -> pa.Table:
    # Arrow's threads abort a process that ends right after they began, one time in twenty.
    return _open(pa.BufferReader(data), where).read(use_threads=False)


def _open(source: Any, where: str) -> pq.ParquetFile:
    """Open a Parquet file of ours.

    Raises:
        UserError: not a Parquet file, or of another schema version.
    """
    file, found = open_any_version(source, where)
    if found < SCHEMA_VERSION:
        raise UserError(
            f"{where}: schema version {found}, expected {SCHEMA_VERSION}; "
            f"'python -m study.run migrate {where.rsplit('/', 2)[0]}' brings it to that"
        )
    return file


def open_any_version(source: Any, where: str) -> tuple[pq.ParquetFile, int]:
    """Open a Parquet file of this or an older schema version, and say of which.

    Raises:
        UserError: not a Parquet file, or of a newer schema version, or of none.
    """
    try:
        file = pq.ParquetFile(source)
    except pa.ArrowInvalid:
        raise UserError(f"{where}: not a readable Parquet file; delete it, and its trial runs again") from None
    found = (file.schema_arrow.metadata or {}).get(b"schema_version", b"none").decode()
    if not found.isdecimal() or int(found) > SCHEMA_VERSION:
        raise UserError(
            f"{where}: schema version {found}, expected {SCHEMA_VERSION}; "
            "read it with the code that wrote it, or give another --results folder"
        )
    return file, int(found)
