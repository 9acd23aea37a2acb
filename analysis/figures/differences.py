"""How far methods are from the baseline, and how sure that is."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import GREY, own_axes, say_nothing, styled

_COLOURS = {"better": (0.0, 0.45, 0.70), "worse": (0.84, 0.37, 0.0)}
"""Blue and vermilion of the colour-blind-safe palette of Okabe and Ito; everything else is grey."""

_WITHOUT = {
    "incomplete": "not completed under every seed: no mean",
    "no common seed": "no seed in common",
    "other settings": "differs in more than the weighting",
}
"""What is said of a method without a difference."""

_WIDEST = 1.6
"""Multiple of the largest mean difference of most methods that the axis shows on either side."""


def differences(table: pd.DataFrame, baseline: str, metric: str, axes: Axes | None = None) -> Axes:
    """Draw the paired difference of every method to the baseline, with its intervals.

    Args:
        table: what `analysis.contrasts.contrasts` gives.
        baseline: its name.
        metric: in words, such as `test MOTA`.
        axes: to draw into.

    Returns:
        A line a method: dot and thick bar for the mean and its t-interval, a thin bar for the bootstrap over seeds and
        sequences where there is one. Blue and orange are claims that hold for all methods together (Holm). An arrow
        shows a figure that lies outside; methods with a failed seed have their line without a dot.
    """
    with styled():
        axes = own_axes(axes, 11, 1.2 + 0.26 * max(3, len(table)))
        if table.empty:
            return say_nothing(axes, f"nothing to hold against {baseline}")
        known = table["difference"].dropna().abs()
        edge = _WIDEST * max(0.02, float(known.quantile(0.75)) if len(known) else 0.02)
        for place, (_, line) in enumerate(table.iterrows()):
            _draw_line(axes, place, line, edge)
        axes.axvline(0, color="black", linewidth=1)
        axes.set_xlim(-edge * 1.15, edge * 1.15)
        axes.set_yticks(np.arange(len(table)), [_label(line) for _, line in table.iterrows()], fontsize=9)
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{metric} less that of {baseline}, same seeds; 95 % intervals")
    return axes


def _draw_line(axes: Axes, place: int, line: pd.Series, edge: float) -> None:
    colour = _COLOURS.get(line["evidence"], (0.45, 0.45, 0.45))
    if pd.isna(line["difference"]):
        text = _WITHOUT.get(line["evidence"], line["evidence"])
        axes.text(0, place, f" {text}", va="center", fontsize=8, color=GREY)
        return
    if abs(line["difference"]) > edge:
        side = float(np.sign(line["difference"]))
        axes.plot(side * edge * 1.08, place, marker="<" if side < 0 else ">", color=colour, markersize=7)
        axes.text(side * edge, place, f"{line['difference']:+.3f}", va="center", fontsize=8, color=GREY,
                  ha="left" if side < 0 else "right")  # fmt: skip
        return
    if not pd.isna(line["low"]):
        axes.plot([line["low"], line["high"]], [place, place], color=colour, linewidth=3, alpha=0.6)
    if not pd.isna(line["crossed_low"]):
        axes.plot([line["crossed_low"], line["crossed_high"]], [place + 0.22] * 2, color=colour, linewidth=1)
    axes.plot(line["difference"], place, marker="o", color=colour, markersize=6, markeredgecolor="white")


def _label(line: pd.Series) -> str:
    chosen = f" ({line['chosen']})" if line["chosen"] else ""
    failed = f", {line['failed']} failed" if line["failed"] else ""
    seeds = line["pairs"] or line["seeds"]
    return f"{line['method']}{chosen}, {seeds} seed{'s' if seeds != 1 else ''}{failed}"
