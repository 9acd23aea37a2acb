"""Parquet files of older schema versions, rewritten in the one of now: one step from each version to the next."""

from collections import Counter
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from study.errors import UserError
from study.files import Folder
from study.loading import table_folders
from study.parquet import open_any_version
from study.schema import INTEGER, REAL, SCHEMA_VERSION, SCHEMAS, TABLES, TEXT, TRUTH, Table


def migrate(root: Folder, *, dry_run: bool = False) -> Counter[int]:
    """Bring every Parquet file of a results folder to the schema version of now.

    Nothing is changed before all files have been looked at. Each file is then replaced whole, so that an interrupted
    migration goes on where it ended. Columns that an older version lacks become null.

    Args:
        root: the folder of one study or that of several.
        dry_run: only count.

    Returns:
        How many files were of which version.

    Raises:
        UserError: no results there, an unreadable file, one of a newer version or of none, or no room to write.
    """
    found = list(_files(root))
    if not found:
        raise UserError(
            f"{root}: no results here; expected [<study>/]<table>/*.parquet, as 'python -m study.run' writes"
        )
    for table, folder, name, version in found:
        if version < SCHEMA_VERSION and not dry_run:
            _rewrite(table, folder, name)
    return Counter(version for *_, version in found)


def _files(root: Folder) -> Iterator[tuple[Table, Folder, str, int]]:
    for table in TABLES:
        for folder in table_folders(root, table):
            for name in folder.names(".parquet"):
                with folder.filesystem.open_input_file(f"{folder.path}/{name}") as source:
                    yield table, folder, name, open_any_version(source, f"{folder}/{name}")[1]


def _rewrite(table: Table, folder: Folder, name: str) -> None:
    with folder.filesystem.open_input_file(f"{folder.path}/{name}") as source:
        file, version = open_any_version(source, f"{folder}/{name}")
        rows, compression = file.read(use_threads=False), _compression(file)
    for step in _STEPS[version - 1 :]:
        rows = step(table, rows)
    sink = pa.BufferOutputStream()
    pq.write_table(_current(table, rows), sink, compression=compression)
    folder.write(name, sink.getvalue().to_pybytes())


def _from_1_to_2(table: Table, rows: pa.Table) -> pa.Table:
    """What becomes of the loss weights, and torchjd; the first files of version 1 lack the precision too."""
    if table == "trials":
        added = {"weighting_status": TEXT, "weighting_status_step": INTEGER, "precision": TEXT, "torchjd_version": TEXT}
        return _with_nulls(rows, added)
    if table == "steps":
        return _with_nulls(rows, {"weight_sum": REAL, "smallest_share": REAL, "dead": TRUTH, "reversed": TRUTH})
    return rows


def _from_2_to_3(table: Table, rows: pa.Table) -> pa.Table:
    """What a search chose, what a row was imported from, and what differed from its commit."""
    if table == "trials":
        return _with_nulls(rows, {"suggested": TEXT, "imported_from": TEXT, "diff_hash": TEXT})
    return rows


_STEPS: tuple[Callable[[Table, pa.Table], pa.Table], ...] = (_from_1_to_2, _from_2_to_3)
"""From version 1 on."""


def _with_nulls(rows: pa.Table, columns: dict[str, pa.DataType]) -> pa.Table:
    for name, kind in columns.items():
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), kind))
    return rows


def _current(table: Table, rows: pa.Table) -> pa.Table:
    """Rows with the columns of now in their order, then those of settings, and with the version of now."""
    if "schema_version" in rows.column_names:
        place = rows.column_names.index("schema_version")
        rows = rows.set_column(place, "schema_version", pa.array([SCHEMA_VERSION] * len(rows), INTEGER))
    settings = [field for field in rows.schema if "." in field.name]
    schema = pa.schema([*SCHEMAS[table], *settings], metadata=SCHEMAS[table].metadata)
    return rows.select(schema.names).cast(schema)


def _compression(file: pq.ParquetFile) -> str:
    """As the file was compressed; an empty one does not say."""
    return file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "SNAPPY"
