"""What methods cost, against how well they track: the picture that decides."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy import stats

from analysis.figures.scale import near_range
from analysis.figures.style import GREY, method_looks, new_figure, say_nothing, styled
from analysis.pareto import front_of_methods

_PANELS = {"mota": "MOTA", "idf1": "IDF1", "hota": "HOTA"}

_LOG_FROM = 4.0
"""Ratio of the largest to the smallest cost from which the axis is logarithmic."""

_LETTER, _LINE = 4.4, 11.0
"""Points that a letter of a label is wide, about, and that labels are apart."""

_ASIDE, _ABOVE = 14.0, 12.0
"""Points from a method to its label."""

_BELOW = 0.25
"""Share of the range of the others by which outliers stand below them."""


def cost_vs_metrics(table: pd.DataFrame, split: str = "test") -> Figure:
    """Draw methods by their cost, against MOTA, IDF1 and HOTA, with intervals and the Pareto front.

    Args:
        table: what `analysis.methods.methods` gives: method, device_seconds (of all the method's trials), means
            `<split>_<metric>` with sample standard deviations `_sd` over `judged` seeds.
        split: `test` or `val`.

    Returns:
        A panel for each metric: bars are 95 % t-intervals of the mean over seeds; a line joins the methods that no
        other one beats in both cost and metric. Methods without a figure are named below.
    """
    known = table[table["device_seconds"].notna()]
    looks = method_looks(table["method"])
    with styled():
        figure = new_figure(13, 6.2)
        panels = figure.subplots(1, len(_PANELS))
        for axes, (metric, name) in zip(panels, _PANELS.items(), strict=True):
            column = f"{split}_{metric}"
            _draw_panel(axes, known[known[column].notna()], column, looks)
            axes.set(title=f"{split} {name}")
        panels[0].set_ylabel("mean over seeds, 95 % interval")
        note = _note(table, known[known[f"{split}_mota"].notna()])
        figure.suptitle(note, x=0.01, ha="left", fontsize=9, color=GREY, wrap=True)
        handles, labels = panels[0].get_legend_handles_labels()
        if handles:
            columns = min(6, len(handles))
            figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def _draw_panel(axes: Axes, table: pd.DataFrame, column: str, looks: dict) -> None:
    if table.empty:
        say_nothing(axes, "no method completed under every seed")
        return
    low = _floor(table[column])
    for _, line in table.iterrows():
        colour, marker = looks[line["method"]]
        place = (line["device_seconds"], max(line[column], low))
        if line[column] < low:
            axes.plot(*place, "v", color=colour, markersize=7, markeredgecolor="white", label=line["method"])
            continue
        half = _half_width(line[f"{column}_sd"], line["judged"])
        axes.vlines(place[0], place[1] - half, place[1] + half, color=colour, linewidth=1, alpha=0.45)
        axes.plot(*place, marker, color=colour, markersize=8, markeredgecolor="white", label=line["method"], zorder=3)
    far = table[table[column] < low].sort_values(column, ascending=False)
    if len(far):
        told = "\n".join(f"{line['method']} {line[column]:.2f}" for _, line in far.iterrows())
        text = axes.text(0.02, 0.015, told, transform=axes.transAxes, fontsize=7, color=GREY)
        text.set_in_layout(False)
    front = table[front_of_methods(table, column)].sort_values("device_seconds")
    axes.step(front["device_seconds"], front[column], where="post", color="black", linewidth=1, zorder=1)
    costs = table["device_seconds"]
    if costs.min() > 0 and costs.max() / costs.min() >= _LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, costs.max() * 1.1 or 1)
    # Intervals of two or three seeds may be wider than all there is to see; the table has them.
    values = table[column].clip(lower=low)
    room = max(values.max() - values.min(), 0.02)
    axes.set_ylim(values.min() - 0.35 * room, values.max() + 0.35 * room)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("cost (device-seconds), search included")
    _label(axes, front, column)


def _label(axes: Axes, front: pd.DataFrame, column: str) -> None:
    """Name the methods of the front, above them and towards the middle, one label above another where they would meet.

    Places are in points, before the layout is made: near enough, since panels hardly change.
    """
    to_points = 72 / axes.figure.dpi
    left, right = axes.get_window_extent().intervalx * to_points
    taken: list[tuple[float, float, float]] = []
    for _, line in front.iterrows():
        name, point = line["method"], (line["device_seconds"], line[column])
        x, y = axes.transData.transform(point) * to_points
        width = _LETTER * len(name)
        start = x + _ASIDE if x < (left + right) / 2 else x - _ASIDE - width
        height = y + _ABOVE
        near = [other for first, last, other in taken if start < last and first < start + width]
        while any(abs(height - other) < _LINE for other in near):
            height += 1.0
        taken.append((start, start + width, height))
        axes.annotate(
            name,
            point,
            xytext=(start - x, height - y),
            textcoords="offset points",
            fontsize=8,
            zorder=4,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6},
        )


def _half_width(spread: float, seeds: int) -> float:
    if seeds < 2 or math.isnan(spread):
        return math.nan
    return float(stats.t.ppf(0.975, seeds - 1) * spread / math.sqrt(seeds))


def _floor(values: pd.Series) -> float:
    """Below this a figure is told in words, so that a collapsed method does not flatten all others."""
    low, high = near_range(values)
    return low - _BELOW * max(high - low, 0.05) if (values < low).any() else -math.inf


def _note(table: pd.DataFrame, shown: pd.DataFrame) -> str:
    missing = table.loc[~table.index.isin(shown.index), "method"].tolist()
    note = "line: Pareto front, the methods that no cheaper one equals; triangle at the edge: far below"
    return f"{note}; not shown, without figures: {', '.join(missing)}" if missing else note
