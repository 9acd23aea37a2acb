"""`python -m analysis.compare A B`: the methods of two studies against each other, on the screen.

A and B are folders of studies, or names of studies in the results folder. Methods of the same name are paired seed by
seed where both studies ran under the same conditions; where they did not, it says what differs, and compares nothing.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table as Grid

from analysis.conditions import conditions
from analysis.contrasts import Baseline, contrasts
from analysis.formats import Table, count, probability, signed
from analysis.methods import Method, find_methods
from analysis.named import load_named
from study.command_line import CommandParser, exit_code
from study.results import cell, differing, flatten

_WIDTH = 200
"""Letters of a line where there is no terminal."""

_MOST = 8
"""Settings in which two studies differ that are named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 2 after a mistake of the user, or 130 after Ctrl-C."""
    return exit_code(lambda: _compare(_parser().parse_args(arguments)), "nothing was compared")


def _compare(options: argparse.Namespace) -> None:
    console = Console(soft_wrap=True, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    one, other = (load_named(name, options.results) for name in (options.one, options.other))
    titles = [f"{options.one} (A)", f"{options.other} (B)"]
    for title, trials in zip(titles, (one, other), strict=True):
        methods = find_methods(trials)
        cost = sum(method.device_seconds for method in methods)
        console.print(f"{title}: {len(methods)} methods, {len(trials)} trials, {count(cost)} device-seconds")
    different = why_not(one, other)
    table = None if different else paired(one, other)
    if different:
        console.print(f"not comparable: {different}")
    elif table is None:
        console.print("no method is in both; 'python -m analysis.report' on the folder of both compares all with all")
    else:
        console.print(_grid(table))
        console.print(table.caption)


def why_not(one: pd.DataFrame, other: pd.DataFrame) -> str | None:
    """Why the trials of two studies cannot be compared; None if they can.

    Args:
        one: rows of `trials` of one study.
        other: of the other.
    """
    if len(_together(one, other)):
        return None
    if set(one["data_hash"]).isdisjoint(other["data_hash"]):
        return f"data {', '.join(one['data_hash'].unique())} against {', '.join(other['data_hash'].unique())}"
    plain = [flatten(json.loads(rows["configuration"].iloc[0])) for rows in (one, other)]
    keys = [key for key in differing(plain) if not key.startswith("weighting.")]
    if not keys:
        return "settings that one of them varies"
    told = [f"{key} {plain[0].get(key)} against {plain[1].get(key)}" for key in keys[:_MOST]]
    return ", ".join(told) + (f" and {len(keys) - _MOST} more" if len(keys) > _MOST else "")


def paired(one: pd.DataFrame, other: pd.DataFrame) -> Table | None:
    """Methods of the same name, B less A under the same seeds; None if no name is in both.

    Args:
        one: rows of `trials` of study A.
        other: of study B, under the same conditions.
    """
    both = _together(one, other)
    split = "test" if one["test_mota"].notna().any() and other["test_mota"].notna().any() else "val"
    methods = [method for method in find_methods(both) if not method.imported]
    of_one = {method.name: method for method in methods if method.study == "A"}
    lines = [
        _line(of_one[method.name], method, f"{split}_mota")
        for method in methods
        if method.study == "B" and method.name in of_one
    ]
    if not lines:
        return None
    return Table(
        name="compare",
        caption=f"{split} MOTA of B less that of A, paired by seed, 95 % t-interval; p is of each method by itself.",
        data=pd.concat(lines, ignore_index=True),
        columns={
            **{"method": "method", "chosen_a": "A chose", "chosen": "B chose", "baseline_mean": "A", "mean": "B"},
            **{"difference": "B - A", "low": "low", "high": "high", "p": "p", "pairs": "seeds"},
            **{"evidence": "evidence", "cost_a": "cost of A", "device_seconds": "cost of B"},
        },
        shows={
            **dict.fromkeys(("difference", "low", "high"), signed),
            **dict.fromkeys(("pairs", "cost_a", "device_seconds"), count),
            "p": probability,
        },
    )


def _together(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Trials of both studies that ran under conditions that both have; the first such conditions, if there are several.

    A study lacks the columns of settings that only the other one varies.
    """
    both = pd.concat([one.assign(study="A"), other.assign(study="B")], ignore_index=True)
    plain = [flatten(json.loads(text)) for text in both["configuration"]]
    for name in (name for name in both.columns if "." in name):
        both[name] = [cell(row.get(name)) for row in plain]
    numbers = conditions(both)
    shared = sorted(set(numbers[both["study"] == "A"]) & set(numbers[both["study"] == "B"]))
    return both[numbers == shared[0]].reset_index(drop=True) if shared else both.iloc[:0]


def _line(one: Method, other: Method, metric: str) -> pd.DataFrame:
    rows = one.rows
    line = contrasts([other], Baseline(one.name, rows, one.device_seconds), metric)
    return line.assign(method=one.name, chosen_a=one.settings, cost_a=one.device_seconds)


def _grid(table: Table) -> Grid:
    grid = Grid(box=None, pad_edge=False)
    text = table.text()
    for title in text.columns:
        grid.add_column(title, justify="left" if title in ("method", "A chose", "B chose") else "right")
    for row in text.to_numpy().tolist():
        grid.add_row(*row)
    return grid


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m analysis.compare", description="Two studies, method by method.")
    parser.add_argument("one", metavar="A", help="folder of a study, or its name in --results")
    parser.add_argument("other", metavar="B", help="folder of a study, or its name in --results")
    parser.add_results()
    return parser


if __name__ == "__main__":
    sys.exit(main())
