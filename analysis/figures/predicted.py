"""Did trials cost what the plan said: predicted against actual device-seconds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from analysis.figures.style import GREY, method_looks, own_axes, say_nothing, styled

BAND = 0.25
"""A prediction is good if it is off by at most this share of the actual cost."""

_ENTRIES = 16
"""Weightings from which the legend has another column."""

_LOG_FROM = 8.0
"""Ratio of the largest to the smallest cost from which axes are logarithmic."""


def predicted_vs_actual(trials: pd.DataFrame, axes: Axes | None = None) -> Axes:
    """Draw what the plan said of each trial over what it cost, with a band of a quarter around the diagonal.

    Args:
        trials: rows of `trials`. Completed ones of this platform are drawn: one that broke off did not do the work that
            was predicted.
        axes: to draw into.

    Returns:
        A point a trial, ringed where attempts were lost: their time is part of the actual cost and of no prediction.
        A text has the share of trials inside the band, and the median of predicted over actual cost; a note counts the
        trials that are not drawn.
    """
    with styled():
        if trials.empty:
            return say_nothing(own_axes(axes), "no trials")
        own = trials[trials["imported_from"].isna()]
        completed = own[own["status"] == "completed"]
        shown = completed[(completed["predicted_device_seconds"] > 0) & (completed["device_seconds"] > 0)]
        notes = _notes(len(trials) - len(own), len(own) - len(completed), len(completed) - len(shown))
        if shown.empty:
            return say_nothing(own_axes(axes), "\n".join(["no completed trial has a prediction and a cost", *notes]))
        columns = 1 + shown["weighting"].nunique() // _ENTRIES
        axes = own_axes(axes, 4.9 + 2.1 * columns, 5.4)
        _draw_band(axes, shown)
        _draw_trials(axes, shown)
        ratio = shown["predicted_device_seconds"] / shown["device_seconds"]
        inside = int(((ratio - 1).abs() <= BAND).sum())
        axes.set_title(
            f"{inside} of {len(shown)} trials ({inside / len(shown):.0%}) within ±{BAND:.0%}\n"
            f"median of predicted / actual: {ratio.median():.2f}",
            loc="left",
            fontsize=10,
        )
        axes.set(xlabel="actual device-seconds", ylabel="predicted device-seconds")
        if notes:
            axes.annotate(
                "not shown: " + "; ".join(notes), (0, 0), xycoords="axes fraction", xytext=(0, -42),
                textcoords="offset points", va="top", fontsize=8, color=GREY,
            )  # fmt: skip
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, ncols=columns)
    return axes


def _draw_band(axes: Axes, shown: pd.DataFrame) -> None:
    costs = shown[["device_seconds", "predicted_device_seconds"]]
    low, high = float(costs.min(axis=None)) / 1.3, float(costs.max(axis=None)) * 1.3
    ends = np.array([low, high])
    axes.fill_between(ends, (1 - BAND) * ends, (1 + BAND) * ends, color="0.88", label=f"within ±{BAND:.0%}", zorder=1)
    axes.plot(ends, ends, color="black", linewidth=1, label="as predicted", zorder=2)
    logarithmic = high / low >= _LOG_FROM
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        if logarithmic:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter("{x:,.0f}" if high > 10 else "{x:g}")


def _draw_trials(axes: Axes, shown: pd.DataFrame) -> None:
    looks = method_looks(shown["weighting"])
    for weighting, (colour, marker) in looks.items():
        rows = shown[shown["weighting"] == weighting]
        axes.scatter(
            rows["device_seconds"], rows["predicted_device_seconds"], color=colour, marker=marker, s=32,
            edgecolors="white", linewidths=0.5, label=f"{weighting} ({len(rows)})", zorder=3,
        )  # fmt: skip
    lost = shown[shown["lost_seconds"] > 0]
    if len(lost):
        axes.scatter(
            lost["device_seconds"], lost["predicted_device_seconds"], s=110, facecolors="none", edgecolors="black",
            label=f"an attempt was lost ({len(lost)})", zorder=4,
        )  # fmt: skip


def _notes(imported: int, unfinished: int, unknown: int) -> list[str]:
    counts = {
        "imported": imported,
        "that did not complete": unfinished,
        "without prediction or cost": unknown,
    }
    return [f"{count} {'trial' if count == 1 else 'trials'} {kind}" for kind, count in counts.items() if count]
