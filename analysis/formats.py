"""Tables as a reader, a paper and a spreadsheet want them: Markdown, LaTeX, CSV, and cells that can be sorted."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Show = Callable[[Any], str]

_LARGEST = 1e308
"""Key of an infinite figure, such as of what never happens: it sorts above all others."""

MISSING = "-"
"""What stands where there is no figure."""

_NAMES = {"deta": "DetA", "assa": "AssA", "frag": "Frag", "id_accuracy": "identity accuracy"}
_SPLITS = {"val": "validation", "test": "test"}


def metric_name(metric: str) -> str:
    """A metric in words: `validation MOTA` of `val_mota`, `MOTA` of `mota`."""
    split, _, name = metric.partition("_")
    if split not in _SPLITS:
        return _NAMES.get(metric, metric.upper())
    return f"{_SPLITS[split]} {_NAMES.get(name, name.upper())}"


def fraction(value: Any) -> str:
    """A metric with three digits: `0.543`."""
    return MISSING if pd.isna(value) else f"{value:.3f}"


def signed(value: Any) -> str:
    """A difference with its sign: `+0.012`."""
    return MISSING if pd.isna(value) else f"{value:+.3f}"


def count(value: Any) -> str:
    """A whole number, or a cost: `1,416`."""
    return MISSING if pd.isna(value) else f"{value:,.0f}"


def percent(value: Any) -> str:
    """A share: `25 %`."""
    return MISSING if pd.isna(value) else f"{100 * value:.0f} %"


def probability(value: Any) -> str:
    """A p-value: `0.031`, or `<0.001`."""
    return MISSING if pd.isna(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def words(value: Any) -> str:
    """Text as it is."""
    return MISSING if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


@dataclass(frozen=True)
class Cell:
    """A cell of a page: what is shown, and what it is sorted by.

    Attributes:
        text: shown.
        key: a number, or the text; None where there is no figure, which sorts last.
        number: whether it is set to the right.
    """

    text: str
    key: float | str | None
    number: bool


@dataclass(frozen=True)
class Table:
    """Figures with the way in which they are shown.

    Attributes:
        name: file name without ending, and name in links.
        caption: what it says, units included.
        data: the raw figures, one column for each that `columns` names, and those that `spreads` does.
        columns: column of `data` to its title; in this order.
        shows: how a column is written; text as it is, numbers with three digits unless told.
        spreads: column to another one that is set beside it, as in `0.543 ± 0.019`.
    """

    name: str
    caption: str
    data: pd.DataFrame
    columns: Mapping[str, str]
    shows: Mapping[str, Show] = field(default_factory=dict)
    spreads: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> pd.DataFrame:
        """All cells as they are shown, under their titles."""
        rows = [[self._shown(row, name) for name in self.columns] for row in self.data.to_dict("records")]
        return pd.DataFrame(rows, columns=list(self.columns.values()), dtype=object)

    def cells(self) -> list[list[Cell]]:
        """All cells with what they are sorted by."""
        numeric = {name: pd.api.types.is_numeric_dtype(self.data[name]) for name in self.columns}
        return [
            [Cell(self._shown(row, name), _key(row[name]), numeric[name]) for name in self.columns]
            for row in self.data.to_dict("records")
        ]

    def markdown(self) -> str:
        """A Markdown table; text in it stays text, and in its cell."""
        titles = list(self.columns.values())
        lines = [titles, ["---"] * len(titles), *self.text().to_numpy().tolist()]
        return "\n".join("| " + " | ".join(_markdown(str(cell)) for cell in line) + " |" for line in lines)

    def latex(self) -> str:
        """A LaTeX table for the package booktabs, with caption and label."""
        numeric = [pd.api.types.is_numeric_dtype(self.data[name]) for name in self.columns]
        body = [*self.text().to_numpy().tolist()]
        lines = [" & ".join(_latex(str(cell)) for cell in line) + r" \\" for line in body]
        titles = " & ".join(_latex(title) for title in self.columns.values())
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{_latex(self.caption)}}}",
                rf"\label{{tab:{self.name}}}",
                rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}",
                r"\toprule",
                rf"{titles} \\",
                r"\midrule",
                *lines,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def csv(self) -> str:
        """The raw figures, in full precision, spreads included."""
        names = list(dict.fromkeys([*self.columns, *self.spreads.values()]))
        return self.data[names].to_csv(index=False)

    def _shown(self, row: Mapping[str, Any], name: str) -> str:
        value = row[name]
        show = self.shows.get(name)
        if show is None:
            show = fraction if isinstance(value, float) else words
        spread = row.get(self.spreads[name]) if name in self.spreads else None
        if spread is None or pd.isna(spread) or pd.isna(value):
            return show(value)
        return f"{show(value)} ± {show(spread)}"


def _key(value: Any) -> float | str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return None
    return value if isinstance(value, str) else min(float(value), _LARGEST)


_LATEX = str.maketrans(
    {sign: "\\" + sign for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"±": r"$\pm$", "<": r"$<$", ">": r"$>$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$"}
)


def _latex(text: str) -> str:
    return " ".join(text.split("\n")).translate(_LATEX)


_MARKDOWN = re.compile(r"[\\|<&`\[\]]")
"""Bars end a cell; the others begin HTML, entities, code and links."""


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.splitlines()))
