"""Keep what a finished study found as a small folder of Parquet files, and print its methods as a Markdown table.

    python benchmarks/keep_rows.py RESULTS/head_to_head

writes benchmarks/rows/head_to_head, one file a table, which `study.results.load` reads like any results folder. Kept
are all rows of `trials`, `epochs`, `sequences` and `ledger`, and of `steps` the first ones and every Nth after them.
Names of machines are left out, and so are checkpoints and logs.
"""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.methods import methods
from study.results import load
from study.schema import SCHEMAS, TABLES

KEPT = Path(__file__).parent / "rows"
FIRST_STEPS = 20
MAX_BYTES = 2**20
"""A kept file is smaller than this."""


def keep(source: Path, target: Path, every: int) -> None:
    """Copy a study's tables, each joined to one file, `steps` thinned."""
    for table in TABLES:
        parts = [pq.read_table(file) for file in sorted((source / table).glob("*.parquet"))]
        rows = pa.concat_tables(parts, promote_options="default").replace_schema_metadata(SCHEMAS[table].metadata)
        if table == "steps":
            numbers = rows["step"].to_numpy()
            rows = rows.filter(pa.array((numbers < FIRST_STEPS) | (numbers % every == 0)))
        if "hostname" in rows.column_names:
            place = rows.column_names.index("hostname")
            rows = rows.set_column(place, rows.schema.field(place), pa.nulls(len(rows), pa.string()))
        file = target / table / "rows.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, file, compression="zstd", compression_level=19)
        size = file.stat().st_size
        print(f"{file}: {len(rows)} rows, {size / 2**10:.0f} KiB")
        if size >= MAX_BYTES:
            raise SystemExit(f"{file}: {size} bytes, expected fewer than {MAX_BYTES}; give a larger --every")


def markdown(table: pd.DataFrame) -> str:
    """The table of methods, as it stands in benchmarks/README.md."""
    heads = ("method", "chosen", "trials", "val MOTA", "val IDF1", "test MOTA", "test IDF1", "test HOTA")
    lines = [f"| {' | '.join((*heads, 'device-seconds', 'loss weights'))} |", "|" + "---|" * (len(heads) + 2)]
    for _, line in table.iterrows():
        figures = [
            f"{line[name]:.3f} ± {line[f'{name}_sd']:.3f}"
            for name in ("val_mota", "val_idf1", "test_mota", "test_idf1", "test_hota")
        ]
        cells = [line["method"], line["chosen"], line["trials"], *figures]
        cells += [f"{line['device_seconds']:.0f}", line["weighting_status"]]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of a study's results")
    parser.add_argument("--every", type=int, default=40, metavar="N", help="keep every Nth step, default 40")
    options = parser.parse_args()
    keep(options.study, KEPT / options.study.name, options.every)
    print(f"\n{markdown(methods(load(options.study)))}")


if __name__ == "__main__":
    main()
