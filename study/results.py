"""The folder of a study's results, and the door to all that concerns them.

    results/<study>/trials/<trial_id>.parquet       one row
    results/<study>/steps/<trial_id>.parquet        one file a trial, also epochs/ and sequences/
    results/<study>/ledger/<entry_id>.parquet       time that devices were held
    results/<study>/checkpoints/<trial_id>/*.pt     and logs/<trial_id>.log
    results/<study>/data/<data_hash>.json           manifest of the data that were read
    results/<study>/diffs/<diff_hash>.diff          what the code differed in from its commit, for `git apply`

A trial's file is replaced as a whole by one that holds more, so rows appear once, whatever is killed when.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from study.errors import UserError
from study.files import open_folder, write_file
from study.loading import load, stored_studies, table_folders
from study.object_store import without_credentials
from study.parquet import make_table, parse
from study.provenance import provenance
from study.rows import cell, cost, differing, flatten, label, labels, trial_row
from study.schema import ROW_KEYS, SCHEMAS, TABLES, Table, comparable, setting_column

__all__ = [
    "LAST",
    "MODEL",
    "PREVIOUS",
    "ResultStore",
    "attempt_entry",
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
    "table_folders",
    "trial_row",
    "write_file",
]

LAST = "last"
"""Checkpoint from which an unfinished trial goes on."""

PREVIOUS = "previous"
"""The checkpoint before LAST, kept beside it in case LAST is damaged."""

MODEL = "model"
"""Checkpoint of a completed trial, for `study.track`."""

RowTable = Literal["steps", "epochs", "sequences"]
_ROW_TABLES: tuple[RowTable, ...] = ("steps", "epochs", "sequences")

_AT_A_TIME = 16
"""Files that an object store is asked for at once: what takes the time is to wait for each."""


def attempt_entry(trial_id: str, attempt: int) -> str:
    """Name of the ledger entry on an attempt."""
    return f"{trial_id}-{attempt}"


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
        """Entries on a trial, whose names begin with its id, or all of the study's; both list the names of all."""
        if trial_id is None:
            return self._read_all("ledger")
        return [entry for entry in self._read_all("ledger", f"{trial_id}-") if entry["trial_id"] == trial_id]

    def entries(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Entries of the ledger by their names, as far as they were written; how many others there are is no matter."""
        return self._read_many("ledger", list(names))

    def attempts(self, trial_id: str, last: int) -> list[dict[str, Any]]:
        """Entries on a trial's attempts up to this one."""
        names = [attempt_entry(trial_id, attempt) for attempt in range(1, last + 1)]
        return [entry for entry in self.entries(names) if entry["trial_id"] == trial_id]

    def last_attempts(self) -> dict[str, int]:
        """Number of each trial's last attempt, those that were discarded included."""
        last: dict[str, int] = {}
        for name in (self.folder / "ledger").names(".parquet"):
            trial_id, _, number = name.removesuffix(".parquet").rpartition("-")
            if number.isdecimal():
                last[trial_id] = max(int(number), last.get(trial_id, 0))
        return last

    def write_checkpoint(self, trial_id: str, name: str, data: bytes) -> None:
        """Keep a state of a trial, in place of the one of the same name; what LAST was before becomes PREVIOUS."""
        folder = self.folder / "checkpoints" / trial_id
        if name == LAST:
            folder.copy(f"{LAST}.pt", f"{PREVIOUS}.pt")
        folder.write(f"{name}.pt", data)

    def restore_previous(self, trial_id: str) -> None:
        """Put the state before the last one in its place."""
        (self.folder / "checkpoints" / trial_id).copy(f"{PREVIOUS}.pt", f"{LAST}.pt")

    def read_checkpoint(self, trial_id: str, name: str) -> bytes | None:
        """A state of a trial, or None."""
        return (self.folder / "checkpoints" / trial_id).read(f"{name}.pt")

    def has_checkpoint(self, trial_id: str, name: str) -> bool:
        """Whether there is a state of a trial."""
        return f"{name}.pt" in (self.folder / "checkpoints" / trial_id).names(".pt")

    def delete_checkpoint(self, trial_id: str, name: str) -> None:
        """Remove a state of a trial, if there is one (PREVIOUS with LAST), and the folder if it is empty then."""
        checkpoints = self.folder / "checkpoints" / trial_id
        for one in (LAST, PREVIOUS) if name == LAST else (name,):
            checkpoints.delete(f"{one}.pt")
        checkpoints.remove_empty()

    def write_manifest(self, data_hash: str, manifest: Mapping[str, Any], root: str | None) -> None:
        """Keep what was read under a data hash, and from where (`root`, without credentials), as JSON in `data/`."""
        kept = {"root": None if root is None else without_credentials(root), **manifest}
        (self.folder / "data").write(f"{data_hash}.json", json.dumps(kept, indent=1).encode())

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
        """Local file that a trial's log is written to; its folder is made."""
        logs = self.local_folder() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{trial_id}.log"

    def fetch_log(self, trial_id: str) -> None:
        """Have what attempts on other machines left of a trial's log in its local file."""
        if self.folder.is_local:
            return
        path, kept = self.log_path(trial_id), (self.folder / "logs").read(f"{trial_id}.log") or b""
        if not path.exists() or path.stat().st_size < len(kept):
            path.write_bytes(kept)

    def keep_log(self, trial_id: str) -> None:
        """Keep a trial's log with results that lie elsewhere: the machine that wrote it may be gone tomorrow.

        Nothing depends on it, so that it cannot be kept is no error.
        """
        if not self.folder.is_local:
            with suppress(UserError, OSError):
                (self.folder / "logs").write(f"{trial_id}.log", self.log_path(trial_id).read_bytes())

    def find_log(self, trial_id: str) -> str | None:
        """Where a trial's log is kept, if anywhere."""
        name = f"{trial_id}.log"
        return str(self.folder / "logs" / name) if name in (self.folder / "logs").names(".log") else None

    def local_folder(self) -> Path:
        """The study's folder for what can lie on a disk of this machine only; made if need be.

        For results elsewhere it has their address below `results/` here, so that no two share one.
        """
        place = self.folder.path if self.folder.is_local else f"results/{self.folder}".replace("://", "/")
        folder = Path(place).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _write(self, table: Table, name: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(make_table(table, rows, schema), sink)
        (self.folder / table).write(f"{name}.parquet", sink.getvalue().to_pybytes())

    def _read(self, table: Table, name: str) -> list[dict[str, Any]]:
        data = (self.folder / table).read(f"{name}.parquet")
        return [] if data is None else parse(data, f"{self.folder}/{table}/{name}.parquet").to_pylist()

    def _read_all(self, table: Table, prefix: str = "") -> list[dict[str, Any]]:
        names = (name.removesuffix(".parquet") for name in (self.folder / table).names(".parquet"))
        return self._read_many(table, [name for name in names if name.startswith(prefix)])

    def _read_many(self, table: Table, names: Sequence[str]) -> list[dict[str, Any]]:
        if self.folder.is_local:
            return [row for name in names for row in self._read(table, name)]
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            return [row for rows in pool.map(lambda name: self._read(table, name), names) for row in rows]
