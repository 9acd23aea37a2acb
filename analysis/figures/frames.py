"""What trackers did, frame by frame: boxes drawn into a strip of frames, one colour an identity."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from analysis.figures.style import GREY, Colour, new_figure, say_nothing, styled

_WIDTH = 13.0
"""Inches of a strip; one with few frames is narrower."""

_WIDEST = 4.6
"""Inches of a frame."""

_DASHES = ("-", "--", ":")
"""Tell identities apart where colours repeat."""

Look = tuple[Colour, str]


def tracks_strip(
    frames: Sequence[NDArray[np.uint8]], numbers: Sequence[int], tracks: Mapping[str, pd.DataFrame]
) -> Figure:
    """Draw the tracks of several trackers, or annotations, into the same frames.

    An identity keeps its colour and its dashes along a row; those of different rows have nothing to do with each other.
    So a person whose box changes colour from frame to frame was lost and found as somebody else. The first ten
    identities of a row have colours of their own, further ones differ in dashes; the identity stands above its box.

    Args:
        frames: RGB images of one size, uint8 [height, width, 3].
        numbers: frame number of each image, as in `tracks`.
        tracks: title of a row (`ground truth`, `best: hwf`) to its boxes, one row each: frame, id, and x, y (upper left
            corner), width, height in pixels of the images, as in MOTChallenge files. Boxes of other frames are not
            drawn.

    Returns:
        A row of panels for each title, a column for each frame.

    Raises:
        ValueError: not as many numbers as frames, or frames of several sizes.
    """
    if len(frames) != len(numbers):
        raise ValueError(f"{len(frames)} frames have {len(numbers)} numbers")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"frames of one size expected, found {sorted({frame.shape for frame in frames})}")
    with styled():
        if not frames or not tracks:
            figure = new_figure(6, 2)
            say_nothing(figure.subplots(), "no frames" if not frames else "no tracks")
            return figure
        wide = min(_WIDEST, _WIDTH / len(frames))
        high = wide * frames[0].shape[0] / frames[0].shape[1]
        figure = new_figure(0.4 + wide * len(frames), 0.3 + (high + 0.25) * len(tracks))
        panels = figure.subplots(len(tracks), len(frames), squeeze=False)
        for row, (title, boxes) in enumerate(tracks.items()):
            shown = _of(boxes, numbers)
            looks = _looks(shown)
            panels[row, 0].set_ylabel(title, fontsize=10)
            for axes, frame, number in zip(panels[row], frames, numbers, strict=True):
                _draw_panel(axes, frame, _of(shown, [number]), looks)
        for axes, number in zip(panels[0], numbers, strict=True):
            axes.set_title(f"frame {number}", fontsize=10)
    return figure


def _of(boxes: pd.DataFrame, numbers: Sequence[int]) -> pd.DataFrame:
    return boxes if boxes.empty else boxes[boxes["frame"].isin(numbers)].sort_values("frame", kind="stable")


def _looks(boxes: pd.DataFrame) -> dict[int, Look]:
    """Colour and dashes of identities, in the order in which they appear."""
    if boxes.empty:
        return {}
    palette = sns.color_palette("colorblind", 10)
    identities = dict.fromkeys(boxes["id"].tolist())
    return {
        identity: (palette[place % 10], _DASHES[place // 10 % len(_DASHES)])
        for place, identity in enumerate(identities)
    }


def _draw_panel(axes: Axes, frame: NDArray[np.uint8], boxes: pd.DataFrame, looks: Mapping[int, Look]) -> None:
    height, width = frame.shape[:2]
    # Pixels are squares from whole number to whole number, as boxes count them.
    axes.imshow(frame, extent=(0, width, height, 0), interpolation="nearest")
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.grid(visible=False)
    count = "no tracks" if boxes.empty else "1 box" if len(boxes) == 1 else f"{len(boxes)} boxes"
    axes.set_xlabel(count, fontsize=8, color=GREY, labelpad=2)
    # What stands nearer has its feet further down, and is drawn over what it hides.
    nearest_last = boxes if boxes.empty else boxes.assign(feet=boxes["y"] + boxes["height"]).sort_values("feet")
    for _, box in nearest_last.iterrows():
        _draw_box(axes, box, looks[int(box["id"])])


def _draw_box(axes: Axes, box: pd.Series, look: Look) -> None:
    colour, dashes = look
    axes.add_patch(
        Rectangle(
            (box["x"], box["y"]), box["width"], box["height"], fill=False, edgecolor=colour, linestyle=dashes,
            linewidth=1.6, path_effects=[Stroke(linewidth=2.8, foreground="black"), Normal()],
        )
    )  # fmt: skip
    axes.annotate(
        f"{box['id']:.0f}", (box["x"], max(box["y"], 0)), xytext=(0, 1), textcoords="offset points", fontsize=6,
        color="white", va="bottom" if box["y"] > 0 else "top", clip_on=True, annotation_clip=True,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "black", "edgecolor": colour, "linewidth": 0.8},
    )  # fmt: skip
