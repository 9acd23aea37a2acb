"""How a metric depends on one number of a weighting, such as the hidden channels C or layers N of LWF."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from analysis.figures.scale import near_range
from analysis.figures.style import GREY, MARKERS, Colour, own_axes, say_nothing, styled
from analysis.formats import metric_name
from analysis.leaderboard import varying
from analysis.seeds import judging
from analysis.statistics import t_interval
from study.results import labels

_DASHES = ("-", "--", "-.", ":")

_MOST_TICKS = 10

_APART = 4.0
"""Points between lines that stand at the same number."""

_ROW = 0.075
"""Height of a mark below the figures, as a share of the axes."""

_MOST_ROOM = 0.5
"""Share of the axes that marks may take."""

_SIGN = 4.3
"""Points that a sign of a mark's text takes, and a margin."""


@dataclass(frozen=True)
class _Line:
    """Trials that differ in the setting and the seed alone.

    Attributes:
        name: what tells them from others, in words.
        rows: of `trials`, with a column `judging`.
        colour: of the line.
        marker: of its means.
        dashes: of the line.
        aside: points by which it is moved to the right.
    """

    name: str
    rows: pd.DataFrame
    colour: Colour
    marker: str
    dashes: str
    aside: float


@dataclass(frozen=True)
class _Mark:
    """What is told in words at the bottom, instead of a mean.

    Attributes:
        number: of the setting.
        text: in words.
        failed: whether a seed did not complete.
        line: whose mean it is.
    """

    number: float
    text: str
    failed: bool
    line: _Line


def ablation(trials: pd.DataFrame, setting: str, metric: str = "val_mota", axes: Axes | None = None) -> Axes:
    """Draw a metric over one numeric setting, a line for each combination of the others that vary.

    Args:
        trials: rows of `trials`; those with a value of the setting are taken.
        setting: column of `trials`, such as `weighting.channels`.
        metric: column of `trials`, larger is better.
        axes: to draw into.

    Returns:
        Small points are completed seeds, lines and large points their means (`analysis.seeds.judging`), bars 95 %
        t-intervals, which a single seed has not; they may be cut at the edge. A number of which a seed did not complete
        has no mean: a cross at the bottom says of how many seeds how many, the title what became of them, and the line
        has a gap. An arrow at the bottom tells a mean among the outliers (`near_range`), or a seed there that a mean
        further up includes. The axis has base 2 where all numbers are powers of two. Lines at the same number stand a
        little apart.
    """
    with styled():
        axes = own_axes(axes, 8, 4.6)
        if setting not in trials.columns or not pd.api.types.is_numeric_dtype(trials[setting]):
            return say_nothing(axes, f"no trial has a number for {setting}")
        imported = trials["imported_from"].notna()
        rows = trials[trials[setting].notna() & ~imported]
        if rows.empty:
            return say_nothing(axes, f"no trial has a number for {setting}")
        completed = rows[(rows["status"] == "completed") & rows[metric].notna()]
        if completed.empty:
            return say_nothing(axes, f"none of {len(rows)} trials with a number for {setting} completed")
        low, high = near_range(completed[metric])
        margin = 0.25 * max(high - low, 0.02)
        floor = low - margin
        lines = _lines(rows.assign(judging=judging(trials)), setting)
        _scale(axes, rows[setting])
        marks = [mark for line in lines for mark in _draw_line(axes, line, setting, metric, floor)]
        _draw_marks(axes, marks, floor, high + margin)
        repeated = rows["configuration_id"].duplicated().any()
        shown = f"{metric_name(metric)}: seeds, mean, 95 % interval" if repeated else metric_name(metric)
        axes.set(xlabel=setting.rpartition(".")[2], ylabel=shown)
        notes = [_lost(rows.drop(completed.index)["status"])]
        notes += [f"imported trials, not shown: {imported.sum()}"] if imported.any() else []
        axes.set_title("; ".join(filter(None, notes)), loc="left", fontsize=8, color=GREY)
        if len(lines) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return axes


def _lines(rows: pd.DataFrame, setting: str) -> list[_Line]:
    """The lines by their names; trials of other studies or data share none."""
    others = [name for name in varying(rows) if name != setting]
    places = [name for name in ("study", "data_hash") if rows[name].nunique() > 1]
    keys = ["study", "data_hash", *others]
    groups = [group for _, group in rows.groupby(keys, sort=False, dropna=False)]
    firsts = [group.iloc[0].to_dict() for group in groups]
    named = [
        (" ".join(filter(None, [*(f"{first[name][:16]}:" for name in places), told])), group)
        for group, first, told in zip(groups, firsts, labels(firsts, others), strict=True)
    ]
    colours = sns.color_palette("colorblind", max(10, len(named)))
    return [
        _Line(
            name=name,
            rows=group,
            colour=colours[place],
            marker=MARKERS[place % len(MARKERS)],
            dashes=_DASHES[place % len(_DASHES)],
            aside=_APART * (place - (len(named) - 1) / 2),
        )
        for place, (name, group) in enumerate(sorted(named, key=lambda line: line[0]))
    ]


def _scale(axes: Axes, values: pd.Series) -> None:
    numbers = np.unique(values.to_numpy(dtype=float))
    smallest, largest = float(numbers.min()), float(numbers.max())
    if len(numbers) > 1 and smallest > 0:
        if (np.log2(numbers) % 1 == 0).all():
            axes.set_xscale("log", base=2)
        elif largest / smallest >= 10:
            axes.set_xscale("log")
    if axes.get_xscale() == "log":
        axes.set_xlim(smallest * (smallest / largest) ** 0.08, largest * (largest / smallest) ** 0.08)
    else:
        margin = 0.08 * (largest - smallest) or 0.5
        axes.set_xlim(smallest - margin, largest + margin)
    if len(numbers) <= _MOST_TICKS:
        axes.set_xticks(numbers, [f"{number:g}" for number in numbers])
        axes.minorticks_off()


def _draw_line(axes: Axes, line: _Line, setting: str, metric: str, floor: float) -> list[_Mark]:
    """Draw seeds, means and intervals that are above the floor; gives what is not drawn."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    moved = axes.transData + ScaledTranslation(line.aside / 72, 0, figure.dpi_scale_trans)
    numbers, means, halves, marks = [], [], [], []
    for number, seeds in line.rows.groupby(setting):
        completed = seeds[(seeds["status"] == "completed") & seeds[metric].notna()]
        figures = completed[metric].astype(float)
        near = figures[figures >= floor]
        axes.scatter([number] * len(near), near, s=10, color=line.colour, alpha=0.6, transform=moved, zorder=3)
        interval = t_interval(figures[completed["judging"]])
        whole = len(completed) == len(seeds)
        shown = whole and interval.mean >= floor
        numbers.append(number)
        means.append(interval.mean if shown else np.nan)
        halves.append(interval.high - interval.mean if shown else np.nan)
        told = [] if whole else [f"{len(seeds) - len(completed)} of {len(seeds)}"]
        if whole and not shown:
            told.append(f"↓ {interval.mean:.2f}")
        elif (figures < floor).any():
            told.append(f"a seed ↓ {figures.min():.2f}")
        if told:
            marks.append(_Mark(number, ", ".join(told), failed=not whole, line=line))
    axes.errorbar(
        numbers,
        means,
        yerr=halves,
        fmt=line.marker,
        linestyle=line.dashes,
        color=line.colour,
        markersize=6.5,
        elinewidth=1,
        capsize=2,
        markeredgecolor="white",
        markeredgewidth=0.5,
        label=line.name or None,
        transform=moved,
        zorder=4,
    )
    return marks


def _lost(statuses: pd.Series) -> str:
    """What became of trials that have no figure."""
    counts = statuses.replace("completed", "completed without it").value_counts()
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"× trials without a figure: {told}" if told else ""


def _draw_marks(axes: Axes, marks: list[_Mark], floor: float, top: float) -> None:
    """Write marks below the floor, above each other where they would touch, and leave room for them."""
    rows, leftwards = _places(axes, marks)
    height = min(_ROW, _MOST_ROOM / (max(rows, default=0) + 1.5))
    across = axes.get_xaxis_transform()
    for mark, row, leftward in zip(marks, rows, leftwards, strict=True):
        place = mark.number, height * (row + 0.6)
        look: dict[str, Any] = {"color": mark.line.colour, "transform": across}
        axes.plot(*place, mark.line.marker, markerfacecolor="white", markersize=8, zorder=5, **look)
        if mark.failed:
            axes.plot(*place, "x", markersize=6, markeredgewidth=1.6, zorder=6, **look)
        axes.annotate(
            mark.text,
            place,
            xycoords=across,
            xytext=(-7 if leftward else 7, 0),
            textcoords="offset points",
            va="center",
            ha="right" if leftward else "left",
            fontsize=7,
            color=GREY,
            annotation_clip=False,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
    taken = height * (max(rows) + 1.5) if rows else 0.0
    axes.set_ylim(top - (top - floor) / (1 - taken), top)


def _places(axes: Axes, marks: list[_Mark]) -> tuple[list[int], list[bool]]:
    """Row of each mark, from 0 at the bottom, and whether its text stands to the left of it, away from the edge."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    signs = 72 * figure.get_figwidth() * axes.get_position().width / _SIGN
    shares = axes.transScale + axes.transLimits
    taken: list[tuple[int, float, float]] = []
    rows, leftwards = [], []
    for mark in marks:
        place, length = float(shares.transform((mark.number, 1))[0]), (len(mark.text) + 4) / signs
        leftward = place + length > 1
        start, end = (place - length, place + 2 / signs) if leftward else (place - 2 / signs, place + length)
        touched = {row for row, left, right in taken if left < end and start < right}
        row = next(row for row in range(len(marks)) if row not in touched)
        taken.append((row, start, end))
        rows.append(row)
        leftwards.append(leftward)
    return rows, leftwards
