"""What the configurations of a study cost, against how well they track."""

from collections.abc import Hashable, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.conditions import conditions
from analysis.figures.scale import near_range
from analysis.figures.style import Colour, styled
from analysis.leaderboard import IMPORTED, leaderboard
from analysis.seeds import judging

_NUMBERED = 12
"""Configurations that are numbered and listed; the leaderboard has them all."""

_LOG_FROM = 25.0
"""Ratio of a search's cost to a trial's from which the cost axis is logarithmic."""

_LABEL = 56
"""Characters of a configuration that fit into the list."""

_GAP = 11.0
"""Points between two numbers above each other."""

_CAPTION = (
    "point: one trial's cost and the mean over seeds; dots and bars: single seeds and their range; "
    "star: the configuration that a search chose, at the cost of all its trials"
)

_PANELS = {"val_mota": "MOTA", "val_idf1": "IDF1"}


def cost_vs_accuracy(trials: pd.DataFrame) -> Figure:
    """Draw cost in device-seconds against validation MOTA and IDF1.

    A point is a configuration: its mean over the seeds that judge it (`analysis.seeds.judging`), at the mean cost of
    one trial, with bars for their range, and dots for all single seeds. A star is a search: the configuration that it
    chose (first in the leaderboard), at the cost of all the search's trials, failed ones too; for that is what finding
    it took. Configurations that differ in more than the weighting are no search. Outliers (`near_range`) are told in
    words at the bottom.

    Args:
        trials: rows of `trials` of one study, as `study.results.load` gives them. Imported ones are kinds of their own;
            those whose cost is unknown have no place here.
    """
    trials = trials[trials["device_seconds"].notna()]
    board = leaderboard(trials)
    board["weighting"] = _marked(board["weighting"], board["configuration"].str.endswith(IMPORTED))
    trials = trials.assign(
        weighting=_marked(trials["weighting"], trials["imported_from"].notna()),
        judging=judging(trials),
        conditions=conditions(trials),
    )
    kinds = list(dict.fromkeys(trials["weighting"]))
    colours = dict(zip(kinds, sns.color_palette("colorblind", len(kinds)), strict=True))
    with styled():
        figure = Figure(figsize=(13, 5), layout="constrained")
        *panels, key = figure.subplots(1, 3, width_ratios=[5, 5, 4])
        for axes, (metric, name) in zip(panels, _PANELS.items(), strict=True):
            _draw_panel(axes, trials, board, metric, colours)
            axes.set(xlabel="cost (device-seconds)", ylabel=f"validation {name}")
        _draw_key(key, board, colours)
        figure.suptitle(_heading(trials, board), x=0.01, ha="left", fontsize=12)
        figure.supxlabel(_CAPTION, x=0.01, ha="left", fontsize=8, color="0.35")
        for axes, metric in zip(panels, _PANELS, strict=True):
            _number(figure, axes, trials, board, metric)
    return figure


def _marked(weightings: pd.Series, imported: pd.Series) -> pd.Series:
    return weightings.mask(imported, weightings + IMPORTED)


def _draw_panel(axes: Axes, trials: pd.DataFrame, board: pd.DataFrame, metric: str, colours: dict[str, Colour]) -> None:
    completed = trials[(trials["status"] == "completed") & trials[metric].notna()]
    largest = trials["device_seconds"].max()
    for kind, group in completed.groupby("weighting", sort=False):
        sns.scatterplot(group, x="device_seconds", y=metric, color=colours[str(kind)], s=14, alpha=0.5, ax=axes)
        judged = group[group["judging"]]
        seeds = judged.groupby("configuration_id")[["device_seconds", metric]].agg(["mean", "min", "max"])
        cost, value = seeds["device_seconds"], seeds[metric]
        axes.errorbar(
            cost["mean"],
            value["mean"],
            xerr=[cost["mean"] - cost["min"], cost["max"] - cost["mean"]],
            yerr=[value["mean"] - value["min"], value["max"] - value["mean"]],
            fmt="o",
            markersize=7,
            color=colours[kind],
            elinewidth=1,
            markeredgecolor="white",
        )
        for _, tried in trials[trials["weighting"] == kind].groupby("conditions"):
            largest = max(largest, _draw_search(axes, tried, board, metric, str(kind), colours[str(kind)]))
    if completed.empty:
        axes.text(0.5, 0.5, "no completed trial", transform=axes.transAxes, ha="center", color="0.35")
        axes.set_yticks([])
    typical = trials["device_seconds"].median()
    if typical > 0 and largest / typical >= _LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlim(trials["device_seconds"][trials["device_seconds"] > 0].min() / 1.6, largest * 1.6)
    else:
        axes.set_xlim(0, largest * 1.12 or 1)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(y=0.15)
    if len(completed):
        _leave_out_far(axes, completed[metric].astype(float))


def _leave_out_far(axes: Axes, values: pd.Series) -> None:
    """End the axis above outliers, and tell them in words."""
    low, high = near_range(values)
    far = values[values < low]
    if len(far):
        margin = 0.15 * max(high - low, 0.05)
        axes.set_ylim(low - margin, high + margin)
        told = f"below: {len(far)} of {len(values)} completed trials, down to {far.min():.2f}"
        axes.annotate(
            told, (0.01, 0), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points", fontsize=8,
            color="0.35", bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip


def _draw_search(
    axes: Axes, searched: pd.DataFrame, board: pd.DataFrame, metric: str, kind: str, colour: Colour
) -> float:
    """Mark what a weighting's best configuration cost to find; returns that cost, 0 if there was nothing to choose.

    Args:
        axes: to draw on.
        searched: trials of the weighting that differ in nothing else.
        board: leaderboard of all trials.
        metric: of the panel.
        kind: of the weighting.
        colour: of the weighting.
    """
    tried = board["configuration_id"].isin(searched["configuration_id"])
    lines = board[(board["weighting"] == kind) & tried & board[metric].notna()]
    if searched["configuration_id"].nunique() < 2 or lines.empty:
        return 0.0
    total = float(searched["device_seconds"].sum())
    value = float(lines[metric].iloc[0])
    own = searched.loc[searched["configuration_id"] == lines["configuration_id"].iloc[0], "device_seconds"].mean()
    axes.axvline(total, color=colour, linestyle="--", linewidth=1, zorder=1)
    axes.plot([own, total], [value, value], color=colour, linestyle=":", linewidth=1.2, zorder=1)
    axes.plot(total, value, marker="*", markersize=16, color=colour, markeredgecolor="white", zorder=5)
    axes.annotate(
        f"{kind} search: {len(searched)} trials, {total:,.0f} device-seconds",
        (total, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="bottom",
        fontsize=9,
        color="0.3",
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )
    return total


def _number(figure: Figure, axes: Axes, trials: pd.DataFrame, board: pd.DataFrame, metric: str) -> None:
    """Put ranks beside the points, moved apart vertically where they would cover each other."""
    figure.draw_without_rendering()
    cost = trials[trials["judging"]].groupby("configuration_id")["device_seconds"].mean()
    points = {
        rank: (cost[line["configuration_id"]], line[metric])
        for rank, line in board[board[metric] >= axes.get_ylim()[0]].head(_NUMBERED).iterrows()
    }
    places = {rank: axes.transData.transform(point) / (figure.dpi / 72) for rank, point in points.items()}
    floor = axes.get_window_extent().y0 / (figure.dpi / 72) + _GAP
    columns: list[list[Hashable]] = []
    for rank in sorted(places, key=lambda rank: places[rank][0]):
        near = columns and places[rank][0] - places[columns[-1][-1]][0] < 2 * _GAP
        columns = [*columns[:-1], [*columns[-1], rank]] if near else [*columns, [rank]]
    for column in columns:
        downwards = sorted(column, key=lambda rank: -places[rank][1])
        right = max(places[rank][0] for rank in column) + 14
        for rank, height in zip(downwards, _spread([places[rank][1] for rank in downwards], floor), strict=True):
            axes.annotate(
                str(rank),
                points[rank],
                xytext=(right - places[rank][0], height - places[rank][1]),
                textcoords="offset points",
                va="center",
                fontsize=9,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
            )


def _spread(heights: Sequence[float], floor: float) -> list[float]:
    """Falling heights moved down to be `_GAP` apart, and up again where they would fall below the floor."""
    placed: list[float] = []
    for height in heights:
        placed.append(min(height, placed[-1] - _GAP) if placed else height)
    for i in range(len(placed)):
        placed[-1 - i] = max(placed[-1 - i], floor + i * _GAP)
    return placed


def _draw_key(axes: Axes, board: pd.DataFrame, colours: dict[str, Colour]) -> None:
    axes.set_axis_off()
    board = board[board["status"] != "pruned"]
    top, step = 1.0, 0.073
    for rank, line in board.head(_NUMBERED).iterrows():
        colour = colours[line["weighting"]] if len(colours) > 1 else "black"
        axes.text(0.04, top, str(rank), va="top", ha="right", fontsize=9)
        axes.text(0.07, top, _short(line["configuration"]), va="top", fontsize=9, color=colour)
        axes.text(0.07, top - 0.032, _figures(line), va="top", fontsize=8, color="0.35")
        top -= step
    if len(board) > _NUMBERED:
        axes.text(
            0.07, top, f"and {len(board) - _NUMBERED} more in the leaderboard", va="top", fontsize=8, color="0.35"
        )


def _short(text: str) -> str:
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"


def _figures(line: pd.Series) -> str:
    if pd.isna(line["val_mota"]):
        return str(line["status"])
    spread = f" ± {line['val_mota_sd']:.3f}" if line["judged"] > 1 else ""
    status = "" if line["status"] == "completed" else f"; {line['status']}"
    return f"MOTA {line['val_mota']:.3f}{spread}, IDF1 {line['val_idf1']:.3f}{status}"


def _heading(trials: pd.DataFrame, board: pd.DataFrame) -> str:
    names: Sequence[str] = list(dict.fromkeys(trials["study"]))
    pruned = int((trials["status"] == "pruned").sum())
    lost = int((trials["status"] != "completed").sum()) - pruned
    early = f", {pruned} of them ended early" if pruned else ""
    unfinished = f", {lost} {'' if early else 'of them '}not completed" if lost else ""
    return f"{', '.join(names)}: {len(board)} configurations, {len(trials)} trials{early}{unfinished}"
