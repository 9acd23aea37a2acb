"""How many bytes the rows of a trial take."""

import functools

import pyarrow as pa
import pyarrow.parquet as pq

from study.prediction.work import Work
from study.schema import SCHEMAS, Table

_FIGURE_BYTES = 8
"""Of a number in a Parquet file, uncompressed; text repeats and takes next to nothing."""


def rows_bytes(work: Work) -> float:
    """Bytes of all rows of a completed trial, its ledger entry included."""
    validations = work.validations()
    rows: dict[Table, int] = {
        "trials": 1,
        "ledger": 1,
        "steps": -(-work.epochs * work.steps_per_epoch // work.log_every) * work.tasks,
        "epochs": work.epochs * work.tasks + validations * (work.tasks + 1),
        "sequences": validations * work.frames.val_clips + work.frames.test_clips,
    }
    return sum(_file_bytes(table) + (count - 1) * _row_bytes(table) for table, count in rows.items())


def _row_bytes(table: Table) -> int:
    return _FIGURE_BYTES * sum(
        pa.types.is_integer(field.type) or pa.types.is_floating(field.type) for field in SCHEMAS[table]
    )


@functools.cache
def _file_bytes(table: Table) -> int:
    """A file of one row: names, meanings and statistics of the columns."""
    schema = SCHEMAS[table]
    texts = (pa.types.is_string(field.type) for field in schema)
    cells = [pa.array(["0123456789abcdef"] if text else [1]) for text in texts]
    sink = pa.BufferOutputStream()
    row = pa.table([cell.cast(field.type) for cell, field in zip(cells, schema, strict=True)], schema=schema)
    pq.write_table(row, sink)
    return sink.tell()
