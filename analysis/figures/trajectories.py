"""What became of loss weights and losses while methods trained: small panels, one a method."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from analysis.figures.style import GREY, new_figure, say_nothing, styled, task_colours

_COLUMNS = 4
_FINEST = 1e-4
"""Smaller values, and zero, are drawn at this one: the axis is logarithmic."""

_MOST = 0.995
"""Share of the values that a panel has room for at least: single steps may be orders of magnitude off."""

_FEW_DECADES = 100.0
"""Ratio of the ends of an axis below which it has ticks within the decades, too."""


def loss_weights(steps: pd.DataFrame, collapses: pd.DataFrame | None = None) -> Figure:
    """Draw effective loss weights over steps, as in figure 3 of the LWF paper, on a logarithmic axis.

    Args:
        steps: rows of `steps` with a column `method`: method, trial_id, step, task, loss_weight.
        collapses: method, trial_id, weighting_status, weighting_status_step of trials whose loss weights collapsed,
            turned negative, or went to one task; marked by a line at that step.

    Returns:
        A panel a method, each with its own scale, a line for each task and trial. Negative weights are gaps, since they
        have no logarithm.
    """
    return _panels(steps, "step", "loss_weight", "loss weight", collapses)


def task_losses(epochs: pd.DataFrame) -> Figure:
    """Draw unweighted task losses over epochs, which compare methods whatever their weights do.

    Args:
        epochs: rows of `epochs` of split `train` with a column `method`: method, trial_id, epoch, task, loss.
    """
    return _panels(epochs, "epoch", "loss", "unweighted loss", None)


def _panels(rows: pd.DataFrame, over: str, value: str, name: str, collapses: pd.DataFrame | None) -> Figure:
    methods = list(dict.fromkeys(rows["method"]))
    tasks = list(dict.fromkeys(rows["task"]))
    with styled():
        height = max(1, math.ceil(len(methods) / _COLUMNS))
        figure = new_figure(13, 0.6 + 2.1 * height)
        if not methods:
            say_nothing(figure.subplots(), f"no {name} was recorded")
            return figure
        panels = figure.subplots(height, min(_COLUMNS, len(methods)), sharex=True, squeeze=False)
        colours = task_colours(tasks)
        for axes, method in zip(panels.flat, methods, strict=False):
            mine = rows[rows["method"] == method]
            for (_, task), line in mine.groupby(["trial_id", "task"], sort=False):
                ordered = line.sort_values(over)
                positive = ordered[value].where(ordered[value] >= 0).clip(lower=_FINEST)
                axes.plot(ordered[over], positive, color=colours[task], linewidth=1, alpha=0.8)
            axes.set_title(method, fontsize=9)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            _give_room(axes, mine[value])
            _mark(axes, method, collapses)
        for axes in panels.flat[len(methods) :]:
            axes.set_axis_off()
        for axes in panels[-1]:
            axes.set_xlabel(over)
        for axes in panels[:, 0]:
            axes.set_ylabel(name, fontsize=9)
        handles = [Line2D([], [], color=colours[task], label=task) for task in tasks]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(tasks), frameon=False)
        if not np.isfinite(rows[value]).any():
            say_nothing(panels[0, 0], f"no {name} was recorded")
    return figure


def _give_room(axes: Axes, values: pd.Series) -> None:
    """At least one and a half decades, so that noise does not look like change."""
    positive = values[np.isfinite(values) & (values > 0)].clip(lower=_FINEST)
    low, high = positive.quantile([1 - _MOST, _MOST]) if len(positive) else (0.1, 1.0)
    if (values == 0).any():
        low = _FINEST
    middle, half = math.sqrt(low * high), max(math.sqrt(high / low) * 1.4, 10**0.75)
    bottom, top = min(middle / half, _FINEST / 1.5 if low == _FINEST else math.inf), middle * half
    axes.set_ylim(bottom, top)
    if top / bottom < _FEW_DECADES:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def _mark(axes: Axes, method: str, collapses: pd.DataFrame | None) -> None:
    if collapses is None:
        return
    mine: Mapping[str, pd.DataFrame] = dict(list(collapses[collapses["method"] == method].groupby("weighting_status")))
    for status, trials in mine.items():
        first = trials["weighting_status_step"].min()
        for step in trials["weighting_status_step"]:
            axes.axvline(step, color="black", linestyle=":", linewidth=1)
        axes.annotate(
            f"{status.replace('_', ' ')} since step {first:.0f}",
            (0.98, 0.95),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=8,
            color=GREY,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
