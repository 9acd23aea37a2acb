"""What a search has found by the time that so much was spent, beside methods that need one run."""

import math

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import GREY, method_looks, own_axes, say_nothing, styled

_SHOWN = 0.35
"""Methods further below the best than this are named, and not drawn."""


def best_after_budget(curves: pd.DataFrame, target: float = math.nan, axes: Axes | None = None) -> Axes:
    """Draw the best validation MOTA of every method over what was spent on it.

    Args:
        curves: method, device_seconds, val_mota: rows of `analysis.expected_best.best_over_cost` of several methods. A
            method with a single row is a point.
        target: validation MOTA that is marked, such as the baseline's; NaN if there is none.
        axes: to draw into.

    Returns:
        Searches as steps, from their first result on; methods of one configuration as points.
    """
    with styled():
        axes = own_axes(axes, 11, 5)
        curves = curves[curves["val_mota"].notna()]
        if curves.empty:
            return say_nothing(axes, "nothing was found yet, or costs are unknown")
        looks = method_looks(curves["method"])
        ends = curves.groupby("method", sort=False)["val_mota"].last().sort_values(ascending=False)
        for method in ends.index:
            curve = curves[curves["method"] == method]
            colour, marker = looks[str(method)]
            axes.plot(
                curve["device_seconds"],
                curve["val_mota"],
                marker=marker,
                markevery=[-1],
                markersize=8,
                markeredgecolor="white",
                color=colour,
                linestyle="-" if len(curve) > 1 else "None",
                drawstyle="steps-post",
                label=method,
            )
        if not math.isnan(target):
            axes.axhline(target, color="black", linestyle="--", linewidth=1)
            axes.annotate("baseline", (1, target), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                          fontsize=8, color=GREY)  # fmt: skip
        top = float(curves["val_mota"].max())
        lowest = float(curves.loc[curves["val_mota"] > top - _SHOWN, "val_mota"].min())
        axes.set_ylim(lowest - 0.02, top + 0.02)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        far = ends[ends < lowest].index.tolist()
        below = f"\nbelow the picture: {', '.join(far)}" if far else ""
        axes.set(xlabel=f"spent (device-seconds){below}", ylabel="best validation MOTA so far")
        columns = 1 + len(ends) // 16
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, ncols=columns)
    return axes
