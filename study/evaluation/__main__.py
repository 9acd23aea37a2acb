"""python -m study.evaluation GT_DIR RESULT_DIR [--json]

Scores result files by the MOTChallenge protocol, each sequence and all of them together (OVERALL, of pooled counts).
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from study.command_line import CommandParser, exit_code
from study.evaluation import METRICS, combine, summarize
from study.evaluation.folders import evaluate_folders


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 2 after a mistake of the user, or 130 after Ctrl-C."""
    return exit_code(lambda: _score(_parser().parse_args(arguments)), "nothing was scored")


def _score(options: argparse.Namespace) -> None:
    counts = evaluate_folders(options.gt_dir, options.result_dir)
    rows = {name: summarize(sequence) for name, sequence in {**counts, "OVERALL": combine(counts)}.items()}
    print(json.dumps(rows, indent=2, allow_nan=False) if options.json else _table(rows))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m study.evaluation",
        description="Score tracking results by the MOTChallenge protocol. All ratios are fractions.",
    )
    parser.add_argument("gt_dir", type=Path, metavar="GT_DIR", help="holds <sequence>/gt/gt.txt")
    parser.add_argument("result_dir", type=Path, metavar="RESULT_DIR", help="holds <sequence>.txt")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _table(rows: Mapping[str, Mapping[str, float | int]]) -> str:
    """Aligned plain text: fractions with four decimals, counts as they are."""
    cells = [["sequence", *METRICS]]
    for name, row in rows.items():
        cells.append([name, *(f"{row[key]:.4f}" if isinstance(row[key], float) else str(row[key]) for key in METRICS)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in cells)


if __name__ == "__main__":
    sys.exit(main())
