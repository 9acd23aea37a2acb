"""One Parquet file of results: made from rows, opened with its schema version checked."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from study.errors import UserError
from study.object_store import reason
from study.schema import SCHEMA_VERSION, Table

_OF_THE_PLACE = re.compile(r"AWS Error|HTTP status|google::cloud|curl", re.I)
"""What errors of stores say, and not those of damaged files."""


def make_table(table: Table, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table; counts that were not measured (NaN) become null."""
    for name in {name for row in rows for name in row} - set(schema.names):
        raise ValueError(f"table {table!r} has no column {name!r}")
    counts = [field.name for field in schema if pa.types.is_integer(field.type)]
    clean = [
        {**row, **{name: None for name in counts if isinstance(row.get(name), float) and math.isnan(row[name])}}
        for row in rows
    ]
    return pa.Table.from_pylist(clean, schema=schema)


def parse(data: bytes, where: str) -> pa.Table:
    """Rows of a file's bytes; raises as `open_current` does."""
    return read_rows(open_current(pa.BufferReader(data), where), where)


def read_rows(file: pq.ParquetFile, where: str) -> pa.Table:
    """All rows of an open file.

    Raises:
        UserError: the file is damaged, or cannot be read.
    """
    with refusing_damage(where):
        # Arrow's threads abort a process that ends right after they began, one time in twenty.
        rows = file.read(use_threads=False)
        rows.validate(full=True)  # damaged text among it
        return rows


@contextmanager
def refusing_damage(where: str) -> Iterator[None]:
    """Tell what is wrong with a file: Arrow has many types for it, and the same ones for stores that do not answer.

    Raises:
        UserError: the file is damaged, or cannot be read.
    """
    try:
        yield
    except UserError:
        raise
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        if isinstance(error, OSError) and (error.errno is not None or _OF_THE_PLACE.search(str(error))):
            raise UserError(f"{where}: cannot be read ({reason(error)})") from None
        raise UserError(
            f"{where}: not a readable Parquet file ({reason(error)}); delete it, and its trial runs again"
        ) from None


def open_current(source: Any, where: str) -> pq.ParquetFile:
    """Open a Parquet file of this schema version.

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
    with refusing_damage(where):
        file = pq.ParquetFile(source)
        found = (file.schema_arrow.metadata or {}).get(b"schema_version", b"none").decode()
    if not found.isdecimal() or int(found) > SCHEMA_VERSION:
        raise UserError(
            f"{where}: schema version {found}, expected {SCHEMA_VERSION}; "
            "read it with the code that wrote it, or give another --results folder"
        )
    return file, int(found)
