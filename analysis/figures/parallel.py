"""Which values of many settings go with a good figure: a line a configuration, across an axis for each setting."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from analysis.figures.scale import COLOURS, near_range
from analysis.figures.style import GREY, own_axes, own_trials, say_nothing, styled
from analysis.formats import MISSING, metric_name
from analysis.leaderboard import leaderboard, varying

MOST = 8
"""Settings that have an axis."""

_LOG_FROM = 10.0
"""Ratio of the largest to the smallest value of a setting from which its axis is logarithmic."""

_BELOW = -0.1
"""Height of configurations without a value of a setting, and of figures far below the others."""

_APART = 0.06
"""Least distance of two tick labels."""

_FEW = 7
"""Distinct numbers up to which all of them are ticks."""

_STUB = 0.4
"""How far lines of configurations without a figure reach beyond the last setting."""

_LONG = 22
"""Characters of a value at a tick."""


@dataclass(frozen=True)
class _Scale:
    """An upright axis.

    Attributes:
        name: what stands below it.
        heights: [lines], 0 to 1, or `_BELOW`; NaN where the line does not reach it.
        ticks: heights and what they mean.
    """

    name: str
    heights: NDArray[np.float64]
    ticks: Sequence[tuple[float, str]]


def parallel_coordinates(trials: pd.DataFrame, metric: str = "val_mota", axes: Axes | None = None) -> Axes:
    """Draw configurations as lines across an upright axis for each setting that varies, to the metric at the right.

    Args:
        trials: rows of `trials` under the same conditions (`analysis.conditions`), with a column for each setting.
        metric: column of `trials`, larger is better.
        axes: to draw into.

    Returns:
        A line's colour is the mean over the seeds that judge its configuration; dark is good. The thick one is the
        first of the leaderboard with a figure under every seed. Grey dashed lines end before the metric: configurations
        that were stopped early, of which a seed failed, or without a figure. An axis is logarithmic where its values
        are above 0 and spread over a decade. Below it stand configurations without a value of the setting, and below
        the metric's axis outliers (`near_range`). Settings with one value wherever there is one are left out, and of
        more than eight those that the fewest configurations have.
    """
    with styled():
        own = own_trials(trials)
        if isinstance(own, str):
            return say_nothing(own_axes(axes), own)
        settings = varying(own)
        if not settings:
            return say_nothing(own_axes(axes), "no setting varies between these trials")
        board = leaderboard(own, metric)
        lines = own.drop_duplicates("configuration_id").set_index("configuration_id").loc[board["configuration_id"]]
        shown = _most_telling(lines, settings)
        names = _names(settings)
        scales = [_setting_scale(names[name], lines[name]) for name in shown]
        values = board[metric].where(board["completed"] == board["seeds"]).to_numpy(dtype=float)
        axes = own_axes(axes, min(16.0, 2.2 + 1.5 * (len(scales) + 1)), 5.6)
        metric_scale = _metric_scale(metric_name(metric), values)
        _draw_scales(axes, [*scales, metric_scale])
        _draw_lines(axes, scales, metric_scale, values, board)
        notes = [
            f"not shown: {', '.join(names[name] for name in settings if name not in shown)}"
            if shown != settings
            else "",
            f"imported trials, not shown: {len(trials) - len(own)}" if len(own) < len(trials) else "",
        ]
        told = textwrap.fill("; ".join(filter(None, notes)).replace(".\n", "."), 26 * len(scales) + 30)
        axes.set_xlabel(told, loc="left", fontsize=8, color=GREY)
    return axes


def _most_telling(lines: pd.DataFrame, settings: Sequence[str]) -> list[str]:
    """At most `MOST` settings, in order; a value that is the same wherever it is given tells no more than its kind."""
    several = [name for name in settings if lines[name].nunique() > 1] or list(settings)
    common = sorted(several, key=lambda name: -lines[name].notna().sum())[:MOST]
    return [name for name in settings if name in common]


def _names(settings: Sequence[str]) -> dict[str, str]:
    """Settings by their last part, or whole where two last parts are equal; `weighting.kind` is the weighting."""
    short = {name: name.removesuffix(".kind").rpartition(".")[2] for name in settings}
    times = Counter(short.values())
    return {name: text if times[text] == 1 else name.replace(".", ".\n") for name, text in short.items()}


def _setting_scale(name: str, values: pd.Series) -> _Scale:
    missing = values.isna().to_numpy()
    absent = [(_BELOW, MISSING)] if missing.any() else []
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        known = numbers[~missing]
        logarithmic = known.min() > 0 and known.max() / known.min() >= _LOG_FROM
        heights = _heights(numbers, float(known.min()), float(known.max()), logarithmic)
        ticks = _number_ticks(known, logarithmic)
        return _Scale(f"{name}\n(log)" if logarithmic else name, np.where(missing, _BELOW, heights), [*absent, *ticks])
    texts = values.map(str)
    kinds = sorted(texts[~missing].unique())
    places = dict(zip(kinds, np.linspace(0, 1, len(kinds)) if len(kinds) > 1 else [0.5], strict=True))
    heights = np.array([_BELOW if gone else places[text] for text, gone in zip(texts, missing, strict=True)])
    return _Scale(name, heights, [*absent, *((place, _short(text)) for text, place in places.items())])


def _metric_scale(name: str, values: NDArray[np.float64]) -> _Scale:
    if not np.isfinite(values).any():
        return _Scale(name, values, [(0.5, "no configuration\ncompleted")])
    low, high = near_range(values)
    far = values[values < low]
    heights = np.where(values < low, _BELOW, _heights(values, low, high, logarithmic=False))
    ticks = _number_ticks(values[values >= low], logarithmic=False)
    told = " to ".join(dict.fromkeys(f"{value:.2f}" for value in (far.min(), far.max()))) if len(far) else ""
    return _Scale(name, heights, [*([(_BELOW, told)] if told else []), *ticks])


def _heights(numbers: NDArray[np.float64], low: float, high: float, logarithmic: bool) -> NDArray[np.float64]:
    if low == high:
        return np.full_like(numbers, 0.5)
    if logarithmic:
        return np.log(numbers / low) / np.log(high / low)
    return (numbers - low) / (high - low)


def _number_ticks(known: NDArray[np.float64], logarithmic: bool) -> list[tuple[float, str]]:
    """The smallest and the largest value, and others that have room between them: the values, or round numbers."""
    low, high = float(known.min()), float(known.max())
    inner: Sequence[float] = np.unique(known).tolist()
    if len(inner) > _FEW:
        locator = LogLocator(subs=(1.0, 2.0, 5.0)) if logarithmic else MaxNLocator(5)
        inner = locator.tick_values(low, high)
    numbers = [low, high, *(number for number in inner if low < number < high)]
    heights = _heights(np.array(numbers), low, high, logarithmic)
    ticks: list[tuple[float, str]] = []
    for height, number in zip(heights.tolist(), numbers, strict=True):
        if all(abs(height - other) >= _APART for other, _ in ticks):
            ticks.append((height, f"{number:.3g}"))
    return ticks


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _draw_scales(axes: Axes, scales: Sequence[_Scale]) -> None:
    for place, scale in enumerate(scales):
        axes.plot([place, place], [0, 1], color="black", linewidth=1.2, zorder=5)
        for height, text in scale.ticks:
            axes.plot([place - 0.02, place], [height, height], color="black", linewidth=1, zorder=5)
            axes.annotate(
                text, (place, height), xytext=(-4, 0), textcoords="offset points", ha="right", va="center", fontsize=8,
                zorder=6, bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )  # fmt: skip
    axes.set_xticks(range(len(scales)), [scale.name for scale in scales], fontsize=10)
    axes.tick_params(length=0)
    axes.set_yticks([])
    below = any(height < 0 for scale in scales for height, _ in scale.ticks)
    axes.grid(visible=False)
    axes.set(xlim=(-0.6, len(scales) - 0.4), ylim=(-0.15 if below else -0.05, 1.05))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_lines(
    axes: Axes, scales: Sequence[_Scale], metric: _Scale, values: NDArray[np.float64], board: pd.DataFrame
) -> None:
    """Draw configurations, given best first as the leaderboard has them, the best one uppermost."""
    across = np.arange(len(scales) + 1)
    heights = np.column_stack([*(scale.heights for scale in scales), metric.heights])
    known, stopped, handles = np.isfinite(values), (board["status"] == "pruned").to_numpy(), []
    for lost, marker, told in (
        (~known & stopped, "|", "stopped early"),
        (~known & ~stopped, "x", "a seed failed, or has no figure"),
    ):
        look: dict[str, Any] = {"color": "0.55", "linewidth": 0.8, "linestyle": "--", "marker": marker}
        for settings in heights[lost, :-1]:
            axes.plot([*across[:-1], across[-2] + _STUB], [*settings, settings[-1]], markevery=[-1], zorder=1, **look)
        if lost.any():
            handles.append(Line2D([], [], label=f"{told} ({lost.sum()})", **look))
    if known.any():
        low, high = near_range(values)
        colours = mpl.colormaps[COLOURS](Normalize(low, high)(values))
        for line in known.nonzero()[0][::-1]:
            axes.plot(across, heights[line], color=colours[line], linewidth=1.4, alpha=0.85, zorder=2)
        best = int(known.argmax())
        seeds = board["completed"].iloc[best]
        under = "1 seed" if seeds == 1 else f"{seeds} seeds"
        haloed = [Stroke(linewidth=7, foreground="white"), Normal()]
        axes.plot(across, heights[best], color=colours[best], linewidth=3.5, path_effects=haloed, zorder=4)
        axes.annotate(
            f"best under {under}:\n{values[best]:.3f}", (across[-1], heights[best, -1]), xytext=(7, 0),
            textcoords="offset points", va="center", fontweight="bold", annotation_clip=False,
        )  # fmt: skip
    if handles:
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2, frameon=False, fontsize=8)
