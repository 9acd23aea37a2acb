"""Which method is good on which sequence: a heat map."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from analysis.figures.scale import COLOURS, FEWER_IS_BETTER, near_range
from analysis.figures.style import GREY, own_axes, say_nothing, styled
from analysis.formats import MISSING, metric_name
from study.schema import INTEGER, METRICS


def per_sequence(sequences: pd.DataFrame, metric: str = "mota", axes: Axes | None = None) -> Axes:
    """Draw a metric of every method on every sequence, the methods with the best mean over sequences first.

    Args:
        sequences: rows of `sequences` of one split with a column `method`: method, trial_id, epoch, split, sequence,
            and the metric. Of the trials that count only: a method's trials are taken for seeds of one configuration,
            each with its last epoch.
        metric: column of `sequences`; fractions, or counts.
        axes: to draw into.

    Returns:
        A cell is the mean over seeds; hatched where a seed lacks it. Beside it the mean over sequences, which is not
        the pooled metric of `trials`; a method that has none comes last. The colour at the end of the scale is also
        that of outliers beyond it, whose figure the cell tells.
    """
    with styled(), mpl.rc_context({"text.parse_math": False}):  # seaborn looks how long names are
        if sequences.empty:
            return say_nothing(own_axes(axes), "no rows of single sequences")
        cells = _cells(sequences, metric)
        if not np.isfinite(cells.to_numpy()).any():
            return say_nothing(own_axes(axes), f"no sequence has a figure of {metric_name(metric)} under every seed")
        less = metric in FEWER_IS_BETTER
        low, high = near_range(cells.to_numpy().ravel(), less=less)
        axes = own_axes(axes, 3.6 + 0.62 * len(cells.columns), 1.9 + 0.28 * len(cells))
        sns.heatmap(
            cells,
            ax=axes,
            annot=cells.map(lambda value: _text(value, metric)),
            fmt="",
            annot_kws={"fontsize": 8},
            cmap=COLOURS.removesuffix("_r") if less else COLOURS,
            vmin=low,
            vmax=high,
            linewidths=0.5,
            cbar_kws={"label": _scale_name(metric, sequences), "extend": _extend(cells, low, high), "pad": 0.02},
        )
        axes.grid(visible=False)
        _hatch_missing(axes, cells)
        _write_means(axes, cells, metric)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(axis="y", rotation=0, labelsize=9, length=0)
        axes.set_xticks(axes.get_xticks(), list(cells.columns), rotation=35, ha="right", rotation_mode="anchor")
    return axes


def _cells(sequences: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Methods x sequences, best mean first; methods without a mean come last."""
    last = sequences[sequences["epoch"] == sequences.groupby("trial_id")["epoch"].transform("max")]
    table = last.set_index(["method", "trial_id", "sequence"])[metric].astype(float).unstack("sequence")
    cells = table.groupby(level="method", sort=False).agg(lambda seeds: seeds.mean(skipna=False))
    order = pd.DataFrame({"complete": cells.notna().all(axis=1), "mean": cells.mean(axis=1)})
    order = order.sort_values(["complete", "mean"], ascending=[False, metric in FEWER_IS_BETTER], kind="stable")
    return cells.loc[order.index]


def _text(value: float, metric: str) -> str:
    """A figure in few digits; means of counts have one behind the point."""
    if np.isnan(value):
        return MISSING
    digits = 2 if metric not in METRICS or METRICS[metric][0] != INTEGER else 1 if abs(value) < 100 else 0
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding zero takes the sign off a rounded -0.001


def _extend(cells: pd.DataFrame, low: float, high: float) -> str:
    below, above = bool((cells < low).any(axis=None)), bool((cells > high).any(axis=None))
    return "min" if below else "max" if above else "neither"


def _scale_name(metric: str, sequences: pd.DataFrame) -> str:
    splits = sequences["split"].unique()
    name = metric_name(f"{splits[0]}_{metric}" if len(splits) == 1 else metric)
    most = int(sequences.groupby("method")["trial_id"].nunique().max())
    return name if most == 1 else f"{name}, mean over seeds"


def _hatch_missing(axes: Axes, cells: pd.DataFrame) -> None:
    axes.patch.set(facecolor="0.92", edgecolor="0.7", hatch="////")
    for row, column in np.argwhere(cells.isna().to_numpy()):
        axes.text(
            column + 0.5,
            row + 0.5,
            MISSING,
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )


def _write_means(axes: Axes, cells: pd.DataFrame, metric: str) -> None:
    """A column of means to the right, by which the rows are ordered."""
    right, beside = 1 + 0.15 / len(cells.columns), axes.get_yaxis_transform()
    axes.text(right, -0.25, "mean", transform=beside, fontsize=8, fontweight="bold", color=GREY)
    for row, mean in enumerate(cells.mean(axis=1, skipna=False)):
        axes.text(right, row + 0.5, _text(mean, metric), transform=beside, va="center", fontsize=8, color=GREY)
