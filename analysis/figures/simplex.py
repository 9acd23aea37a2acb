"""Which ratio of three hard loss weights tracks best: points of a triangle, coloured by a metric."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from mpltern.ternary import TernaryAxes
from numpy.typing import NDArray

from analysis.figures.scale import COLOURS, near_range
from analysis.figures.style import GREY, new_figure, own_axes, own_trials, say_nothing, styled
from analysis.formats import metric_name
from analysis.leaderboard import leaderboard

_TICKS = (0.2, 0.4, 0.6, 0.8)


def loss_weight_simplex(trials: pd.DataFrame, metric: str = "val_mota", axes: Axes | None = None) -> Axes:
    """Draw configurations with hard loss weights by the share of each of three tasks, coloured by a metric.

    Shares sum to 1: under a scale-free optimiser such as Adam only the ratios of loss weights matter. The scale is
    linear. Weights drawn log-uniformly over two decades crowd towards its edges but stay apart, and a task of weight 0
    has a place, as it has not on an axis of logarithms.

    Args:
        trials: rows of `trials` under the same conditions (`analysis.conditions`); those with hard loss weights are
            taken, as their `configuration` has them. A task that it does not name weighs 1.
        metric: column of `trials`, larger is better.
        axes: to draw into, of projection `ternary`.

    Returns:
        A point a configuration: the mean over the seeds that judge it (`analysis.seeds.judging`). A cross is one of
        which a seed did not complete, or has no figure; a small ring one that was stopped early. The star is the first
        of the leaderboard with a figure under every seed (one of fewer seeds ranks below, however good); the diamond is
        where the plain sum lies, run or not.

    Raises:
        ValueError: the axes are of another projection.
    """
    with styled():
        own = own_trials(trials)
        if isinstance(own, str):
            return say_nothing(own_axes(axes), own)
        weights = _hard_weights(own)
        if weights.empty:
            return say_nothing(own_axes(axes), "no trial has hard loss weights")
        if len(weights.columns) != 3:
            tasks = ", ".join(weights.columns)
            return say_nothing(own_axes(axes), f"{len(weights.columns)} tasks ({tasks}): a triangle is for three")
        if weights.isna().any(axis=None):
            return say_nothing(own_axes(axes), f"not all configurations have the tasks {', '.join(weights.columns)}")
        axes = new_figure(8, 5.8).add_subplot(projection="ternary") if axes is None else axes
        if not isinstance(axes, TernaryAxes):
            raise ValueError(f"axes of projection 'ternary' expected, found {type(axes).__name__}")
        weighted = own[own["configuration_id"].isin(weights.index)]
        board = leaderboard(weighted, metric)
        _draw(axes, board, weights.loc[board["configuration_id"]], metric)
        _label(axes, list(weights.columns))
        if notes := _notes(board, metric, weights, len(trials) - len(own)):
            axes.text(0.5, -0.2, notes, transform=axes.transAxes, ha="center", va="top", fontsize=8, color=GREY)
    return axes


def _hard_weights(trials: pd.DataFrame) -> pd.DataFrame:
    """Loss weights by configuration_id and task, in the order of the objective."""
    found = {}
    for _, row in trials.drop_duplicates("configuration_id").iterrows():
        configuration = json.loads(row["configuration"])
        given = configuration["weighting"].get("loss_weights")
        if given is not None:
            tasks = [loss["name"] for loss in configuration["objective"]["task_losses"]]
            found[row["configuration_id"]] = {task: float(given.get(task, 1.0)) for task in tasks}
    return pd.DataFrame.from_dict(found, orient="index")


def _shares(weights: pd.DataFrame) -> pd.DataFrame:
    return weights.div(weights.sum(axis=1), axis=0)


def _draw(axes: TernaryAxes, board: pd.DataFrame, weights: pd.DataFrame, metric: str) -> None:
    shares, values = _shares(weights).to_numpy(), board[metric].to_numpy(dtype=float)
    known, stopped = np.isfinite(values), (board["status"] == "pruned").to_numpy()
    complete = known & (board["completed"] == board["seeds"]).to_numpy()
    axes.plot(
        *([1 / 3],) * 3, "D", markersize=14, markerfacecolor="none", markeredgecolor="black", zorder=2,
        label="plain sum (1, 1, 1)",
    )  # fmt: skip
    if stopped.any():
        axes.scatter(
            *shares[stopped].T, s=14, facecolors="none", edgecolors="0.5", clip_on=False,
            label=f"stopped early ({stopped.sum()})",
        )  # fmt: skip
    if known.any():
        scale = _draw_points(axes, shares[known], values[known], metric_name(metric))
        if complete.any():
            best = int(complete.argmax())
            told = " ".join(f"{task}={weight:.3g}" for task, weight in weights.iloc[best].items())
            seeds = board["completed"].iloc[best]
            under = "1 seed" if seeds == 1 else f"{seeds} seeds"
            axes.scatter(
                *shares[[best]].T, marker="*", s=420, c=values[[best]], cmap=COLOURS, norm=scale, edgecolors="black",
                linewidths=1.2, clip_on=False, zorder=4, label=f"best under {under}: {values[best]:.3f}\n{told}",
            )  # fmt: skip
    lost = ~stopped & ~complete
    if lost.any():
        axes.scatter(
            *shares[lost].T, marker="x", c="black", s=32, clip_on=False, linewidths=1.3, zorder=5,
            label=f"a seed failed,\nor has no figure ({lost.sum()})",
        )  # fmt: skip
    axes.legend(loc="upper left", bbox_to_anchor=(-0.28, 0.99), frameon=False, fontsize=9, labelspacing=0.9)


def _draw_points(axes: TernaryAxes, shares: NDArray[np.float64], values: NDArray[np.float64], name: str) -> Normalize:
    """Draw configurations, the best uppermost, and what their colours mean."""
    low, high = near_range(values)
    scale, upwards = Normalize(low, high), np.argsort(values, kind="stable")
    points = axes.scatter(
        *shares[upwards].T, c=values[upwards], cmap=COLOURS, norm=scale, s=85, edgecolors="black", linewidths=0.6,
        clip_on=False, zorder=3,
    )  # fmt: skip
    figure = axes.get_figure(root=False)
    extend = "min" if values.min() < low else "neither"
    figure.colorbar(points, ax=axes, label=f"{name}, mean over seeds", shrink=0.75, pad=0.1, extend=extend)
    return scale


def _label(axes: TernaryAxes, tasks: Sequence[str]) -> None:
    sides = ((axes.taxis, axes.set_tlabel), (axes.laxis, axes.set_llabel), (axes.raxis, axes.set_rlabel))
    for (axis, set_label), task in zip(sides, tasks, strict=True):
        set_label(f"share of {task}")
        axis.set_label_position("tick1")
        axis.set_ticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.grid(linewidth=0.6, color="0.85")


def _notes(board: pd.DataFrame, metric: str, weights: pd.DataFrame, imported: int) -> str:
    """What the points do not show."""
    shares = _shares(weights).round(6)
    hidden = int(shares.loc[board["configuration_id"]].duplicated().sum())
    notes = [
        "" if board[metric].notna().any() else "no configuration completed",
        f"equal ratios: {hidden} of the configurations lie below others" if hidden else "",
        f"imported trials, not shown: {imported}" if imported else "",
    ]
    return "; ".join(filter(None, notes))
