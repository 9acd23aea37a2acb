"""Tracks drawn into the frames they were found in: boxes, identities, and where each came from."""

import colorsys
import math
from collections import deque
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter1d

from study.tracker import FrameTracks

TRAIL_FRAMES = 30
"""Frames that a trail reaches back."""

_TRAIL_SMOOTHING = 7  # frames: a box's lower side jumps about with the legs

MIN_WIDTH = 640
"""Pixels; pictures whose longer side is shorter are enlarged, so that identities can be read."""

COMMENT = b"drawn by study.track"
"""In every drawn JPEG file, so that they are told apart from a user's own."""

Color = tuple[int, int, int]


def identity_color(identity: int) -> Color:
    """RGB 0-255 of an identity: always the same one, far from those of the identities before and after it."""
    hue = identity * 0.618034 % 1  # the golden ratio's steps never come close to each other early
    saturation, value = ((0.9, 1.0), (0.55, 1.0), (0.9, 0.75))[identity % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


class Painter:
    """Draws the tracks of one sequence, frame after frame.

    Args:
        image_size: width, height in pixels of the frames.
    """

    def __init__(self, image_size: tuple[int, int]) -> None:
        self.factor = max(1, math.ceil(MIN_WIDTH / max(image_size)))
        self.size = (image_size[0] * self.factor, image_size[1] * self.factor)
        self.line = max(2, round(min(self.size) / 300))
        self.font = ImageFont.load_default(max(12, min(self.size) / 36))
        self._trails: dict[int, deque[tuple[int, float, float]]] = {}
        self._frame = 0

    def draw(self, picture: Image.Image, tracks: FrameTracks) -> Image.Image:
        """Draw the next frame.

        Args:
            picture: RGB; is not changed.
            tracks: boxes in its pixels.

        Returns:
            RGB, `size` pixels.
        """
        self._frame += 1
        drawn = picture.resize(self.size, Image.Resampling.BICUBIC) if self.factor > 1 else picture.copy()
        canvas = ImageDraw.Draw(drawn, "RGBA")
        boxes = np.asarray(tracks.boxes_xyxy) * self.factor
        nearest_last = np.argsort(boxes[:, 3], kind="stable")
        self._extend_trails(tracks.ids, boxes)
        for i in nearest_last:
            self._draw_trail(canvas, int(tracks.ids[i]))
        for i in nearest_last:
            self._draw_box(canvas, int(tracks.ids[i]), boxes[i])
        for i in nearest_last:
            self._draw_identity(canvas, int(tracks.ids[i]), boxes[i])
        return drawn

    def _extend_trails(self, ids: np.ndarray, boxes: np.ndarray) -> None:
        """Remember where everyone stands: the middle of the box's lower side."""
        for identity, (left, _, right, bottom) in zip(ids.tolist(), boxes.tolist(), strict=True):
            self._trails.setdefault(identity, deque()).append((self._frame, (left + right) / 2, bottom))
        for identity, trail in list(self._trails.items()):
            while trail and trail[0][0] < self._frame - TRAIL_FRAMES:
                trail.popleft()
            if not trail:
                del self._trails[identity]

    def _draw_trail(self, canvas: ImageDraw.ImageDraw, identity: int) -> None:
        frames, *places = np.array(self._trails[identity]).T
        x, y = (uniform_filter1d(place, _TRAIL_SMOOTHING, mode="nearest") for place in places)
        for (x0, y0, _), (x1, y1, frame) in pairwise(zip(x.tolist(), y.tolist(), frames.tolist(), strict=True)):
            opacity = 1 - (self._frame - frame) / TRAIL_FRAMES
            canvas.line((x0, y0, x1, y1), fill=(*identity_color(identity), round(230 * opacity)), width=self.line + 1)

    def _draw_box(self, canvas: ImageDraw.ImageDraw, identity: int, box: np.ndarray) -> None:
        left, top, right, bottom = box.round().tolist()
        if right < left or bottom < top:
            return
        edge = self.line + 1
        canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0, 110), width=edge + 1)
        canvas.rectangle((left, top, right, bottom), outline=identity_color(identity), width=self.line)

    def _draw_identity(self, canvas: ImageDraw.ImageDraw, identity: int, box: np.ndarray) -> None:
        """The number in a filled tag on top of the box, inside the picture."""
        text = str(identity)
        margin = self.line + 1
        _, _, width, height = canvas.textbbox((0, 0), text, font=self.font)
        width, height = width + 2 * margin, height + margin
        left = float(np.clip(round(box[0]), 0, max(0, self.size[0] - width)))
        top = float(np.clip(round(box[1]) - height, 0, max(0, self.size[1] - height)))
        color = identity_color(identity)
        canvas.rectangle((left, top, left + width, top + height), fill=color)
        light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
        canvas.text((left + margin, top), text, fill=(0, 0, 0) if light else (255, 255, 255), font=self.font)


class FrameFolder:
    """Drawn frames as JPEG files 000001.jpg, ... A context manager, as `study.video.VideoWriter` is.

    Args:
        path: a folder that does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        path.mkdir()

    def add(self, picture: Image.Image) -> None:
        """Write the next frame."""
        self._count += 1
        picture.save(self.path / f"{self._count:06d}.jpg", quality=92, subsampling=0, comment=COMMENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
