"""One Parquet file of results: made from rows, opened with its schema version checked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from study.errors import UserError
from study.schema import SCHEMA_VERSION, Table


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
    # Arrow's threads abort a process that ends right after they began, one time in twenty.
    return open_current(pa.BufferReader(data), where).read(use_threads=False)


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
