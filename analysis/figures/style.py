"""What all figures share: colours of methods and tasks, sizes for print, saving."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from study.results import write_file

Colour = tuple[float, float, float]

GREY = "0.35"
"""Of captions and of what is beside the point."""

DPI = 150

_KINDS = (
    *("equal", "hwf", "lwf", "uncertainty", "gradnorm", "dwa", "famo", "pcgrad", "mgda", "lwf_barrier"),
    *("lwf_paper", "hwf_schedule", "lwf_entropy", "imtl_l", "cagrad", "self_paced", "nash_mtl", "aligned_mtl"),
    *("fairgrad", "upgrad", "dtp", "stch", "geometric_mean", "random"),
)
"""Kinds of weightings with a look of their own, the same in all reports; others take what is left, in turns."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
"""Tell methods apart where colours repeat, and in print without colours."""


@contextmanager
def styled() -> Iterator[None]:
    """Text sizes and grid for figures in a report or a paper."""
    sizes: Any = {"font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "legend.fontsize": 9, "savefig.dpi": DPI}
    with sns.axes_style("whitegrid"), mpl.rc_context(sizes):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no window knows of and that nothing keeps alive."""
    return Figure(figsize=(width, height), layout="constrained")


def own_axes(axes: Axes | None, width: float = 7, height: float = 4.5) -> Axes:
    """The axes to draw into: those given, or new ones."""
    return new_figure(width, height).subplots() if axes is None else axes


def figure_of(drawn: Figure | Axes) -> Figure:
    """The figure that axes belong to, or itself."""
    if isinstance(drawn, Figure):
        return drawn
    figure = drawn.get_figure(root=True)
    assert figure is not None
    return figure


def method_looks(names: Iterable[str]) -> dict[str, tuple[Colour, str]]:
    """Colour and marker of methods; the kind of the weighting, the first word of a name, decides.

    The palette is seaborn's `colorblind`, of ten colours: the eleventh kind has the first one's and another marker. A
    method looks the same whatever it is compared with, unless two methods are of one kind or of a kind not known here.
    """
    palette = sns.color_palette("colorblind", 10)
    places: dict[str, int] = {}
    others = []
    for name in sorted(dict.fromkeys(names)):
        kind = name.rpartition(": ")[2].partition(" ")[0]
        place = _KINDS.index(kind) if kind in _KINDS else -1
        if place >= 0 and place not in places.values():
            places[name] = place
        else:
            others.append(name)
    places |= {name: len(_KINDS) + i for i, name in enumerate(others)}
    return {name: (palette[place % 10], MARKERS[place // 10 % len(MARKERS)]) for name, place in places.items()}


def task_colours(tasks: Sequence[str]) -> dict[str, Colour]:
    """Colours of task losses, in the order of the objective."""
    palette = sns.color_palette("colorblind", max(10, len(tasks)))
    return {task: palette[i] for i, task in enumerate(tasks)}


def own_trials(trials: pd.DataFrame) -> pd.DataFrame | str:
    """Rows of `trials` that were not imported, or why there are none to draw."""
    if trials.empty:
        return "no trials"
    own = trials[trials["imported_from"].isna()]
    return "only imported trials" if own.empty else own


def say_nothing(axes: Axes, text: str) -> Axes:
    """Leave the axes empty, with a line that says why."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, wrap=True)
    return axes


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    _take_names_as_they_are(figure)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    return picture.getvalue()


def _take_names_as_they_are(figure: Figure) -> None:
    """Let a dollar sign in a name begin no formula, which may be a wrong one; powers on logarithmic axes are some."""
    axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis)]
    logarithmic = [axis for axis in axes if isinstance(axis.get_major_formatter(), LogFormatter)]
    powers = {label for axis in logarithmic for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(text in powers)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all; `path` may be a URI.

    Raises:
        UserError: it cannot be written.
    """
    write_file(path, as_png(figure))
