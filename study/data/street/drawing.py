"""Draws parts as antialiased sprites with exact silhouettes, and puts them over images.

Only operations that IEEE 754 rounds exactly are used (+, -, x, /, sqrt, floor, comparisons): the same parameters give
the same pixels on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal, NamedTuple

import numpy as np

Colour = tuple[float, float, float]
Pattern = Literal["plain", "stripes", "bars", "checks", "two_tone"]

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


class Part(NamedTuple):
    """A capsule from (x0, y0) to (x1, y1) with radii r0, r1, in pixels, y down.

    `stretch` widens it horizontally; `square` measures distance by the larger coordinate, which makes boxes.
    """

    x0: float
    y0: float
    r0: float
    x1: float
    y1: float
    r1: float
    colour: Colour
    stretch: float = 1.0
    square: bool = False
    pattern: Pattern = "plain"
    second: Colour = (0, 0, 0)
    period: float = 4.0


@dataclass(frozen=True)
class Sprite:
    """A drawn thing on a canvas that holds all of it, also what lies outside the image.

    Attributes:
        left: column of the canvas's first pixel in the image; may be negative.
        top: row of the canvas's first pixel.
        colour: float32 [h, w, 3], 0-255, multiplied by alpha.
        alpha: float32 [h, w], 0-1.
    """

    left: int
    top: int
    colour: np.ndarray
    alpha: np.ndarray

    @property
    def silhouette(self) -> np.ndarray:
        """Bool [h, w]: pixels at least half covered."""
        return self.alpha >= 0.5

    def box_xywh(self) -> tuple[int, int, int, int] | None:
        """Tightest box of the silhouette: left and top pixel (0-based), width, height; None when nothing is covered."""
        rows, columns = np.flatnonzero(self.silhouette.any(1)), np.flatnonzero(self.silhouette.any(0))
        if not len(rows):
            return None
        return (
            self.left + int(columns[0]),
            self.top + int(rows[0]),
            int(columns[-1] - columns[0]) + 1,
            int(rows[-1] - rows[0]) + 1,
        )


def wave(turns: float) -> float:
    """A parabolic stand-in for sin(2 pi turns), exactly rounded."""
    part = turns - floor(turns)
    return 16 * part * (0.5 - part) if part < 0.5 else -16 * (part - 0.5) * (1 - part)


def disc(x: float, y: float, radius: float, colour: Colour, stretch: float = 1.0) -> Part:
    """An ellipse with half axes `stretch * radius` and `radius`."""
    return Part(x, y, radius, x, y, radius, colour, stretch)


def slab(x: float, y: float, half_width: float, half_height: float, colour: Colour) -> Part:
    """An upright rectangle around (x, y)."""
    return Part(x, y, half_height, x, y, half_height, colour, half_width / half_height, square=True)


def shade(colour: Colour, factor: float) -> Colour:
    """The same colour, darker (factor < 1) or lighter."""
    return (min(255.0, colour[0] * factor), min(255.0, colour[1] * factor), min(255.0, colour[2] * factor))


def render(parts: Sequence[Part]) -> Sprite:
    """Draw parts in order, later ones over earlier ones, antialiased, lit a little from the left."""
    bounds = [
        (
            min(p.x0 - p.stretch * p.r0, p.x1 - p.stretch * p.r1),
            min(p.y0 - p.r0, p.y1 - p.r1),
            max(p.x0 + p.stretch * p.r0, p.x1 + p.stretch * p.r1),
            max(p.y0 + p.r0, p.y1 + p.r1),
        )
        for p in parts
    ]
    left, top = (floor(min(b[i] for b in bounds)) - 1 for i in (0, 1))
    right, bottom = (ceil(max(b[i] for b in bounds)) + 1 for i in (2, 3))
    canvas = np.zeros((4, bottom - top, right - left), np.float32)  # red, green, blue, alpha
    for part, (x_min, y_min, x_max, y_max) in zip(parts, bounds, strict=True):
        x_from, y_from = floor(x_min) - 1, floor(y_min) - 1
        x = np.arange(x_from, ceil(x_max) + 1, dtype=np.float32)[None, :] + _HALF
        y = np.arange(y_from, ceil(y_max) + 1, dtype=np.float32)[:, None] + _HALF
        window = canvas[:, y_from - top : y_from - top + y.size, x_from - left : x_from - left + x.size]
        window += _cover(part, x, y) * (_paint(part, x, y) - window)
    light = np.float32(1.08) - np.float32(0.22 / max(1, right - left - 1)) * np.arange(right - left, dtype=np.float32)
    colour = np.minimum(canvas[:3] * light, 255 * canvas[3])
    return Sprite(left, top, np.moveaxis(colour, 0, 2), canvas[3])


def _cover(part: Part, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fraction of each pixel covered by a part, from the distance to its edge; float32 [h, w]."""
    f = np.float32
    dx: np.ndarray = (x - f(part.x0)) / f(part.stretch)
    dy: np.ndarray = y - f(part.y0)
    radius: np.ndarray | np.float32 = f(part.r0)
    if (part.x0, part.y0) != (part.x1, part.y1):
        along_x, along_y = f((part.x1 - part.x0) / part.stretch), f(part.y1 - part.y0)
        t = _clipped((dx * along_x + dy * along_y) / (along_x * along_x + along_y * along_y))
        dx, dy, radius = dx - t * along_x, dy - t * along_y, radius + t * f(part.r1 - part.r0)
    if part.square:
        return _clipped(_HALF - (np.abs(dx) - radius) * f(part.stretch)) * _clipped(_HALF - (np.abs(dy) - radius))
    return _clipped(_HALF - (np.sqrt(dx * dx + dy * dy) - radius))


def _clipped(values: np.ndarray) -> np.ndarray:
    """Values limited to 0-1, in place (`np.clip` costs more than the arithmetic on arrays this small)."""
    return np.minimum(np.maximum(values, _ZERO, out=values), _ONE, out=values)


def _paint(part: Part, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Red, green, blue (0-255) and 1, float32 [4, h, w] or [4, 1, 1]; patterns move with the part."""
    first = np.array((*part.colour, 1.0), np.float32)[:, None, None]
    if part.pattern == "plain":
        return first
    across = np.floor((x - np.float32(part.x0)) / np.float32(part.period) + _HALF).astype(np.int32) & 1
    down = np.floor((y - np.float32(part.y0)) / np.float32(part.period)).astype(np.int32)
    chosen = {"stripes": down & 1, "bars": across, "checks": across ^ (down & 1), "two_tone": down >= 1}[part.pattern]
    return np.where(chosen.astype(bool), np.array((*part.second, 1.0), np.float32)[:, None, None], first)


def compose(image: np.ndarray, sprite: Sprite, strength: np.ndarray | float = 1.0) -> tuple[slice, slice, np.ndarray]:
    """Put a sprite over an image in place.

    Args:
        image: float32 [H, W, 3].
        sprite: what to draw; parts outside the image are cut off.
        strength: factor of the sprite's alpha, a number or [H, W].

    Returns:
        Rows and columns of the image that the sprite's canvas meets, and the silhouette there (bool).
    """
    height, width = image.shape[:2]
    y0, y1 = max(0, sprite.top), min(height, sprite.top + sprite.alpha.shape[0])
    x0, x1 = max(0, sprite.left), min(width, sprite.left + sprite.alpha.shape[1])
    rows, columns = slice(y0, max(y0, y1)), slice(x0, max(x0, x1))
    inner = np.s_[y0 - sprite.top : rows.stop - sprite.top, x0 - sprite.left : columns.stop - sprite.left]
    factor = strength[rows, columns] if isinstance(strength, np.ndarray) else np.float32(strength)
    alpha = sprite.alpha[inner] * factor
    colour = sprite.colour[inner] * (factor[..., None] if isinstance(factor, np.ndarray) else factor)
    image[rows, columns] = image[rows, columns] * (1 - alpha[..., None]) + colour
    return rows, columns, sprite.silhouette[inner]
