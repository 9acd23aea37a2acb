"""The still part of a synthetic street: facades, paving, clutter and cast shadows, and the camera that sees them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from study.data.street.drawing import Colour, Sprite, compose, render, wave
from study.data.street.looks import CLOTHES, between, pick
from study.data.street.things import litter_bin, pole

MARGIN = 40  # pixels of scenery around the image, for the camera to move over
CAMERA_KINDS = ("pan", "still", "hand", "pan", "zoom")

_WALLS: tuple[Colour, ...] = (
    (150, 128, 110),
    (172, 164, 150),
    (126, 92, 78),
    (108, 116, 126),
    (188, 176, 140),
    (96, 104, 98),
)
_DOORS: tuple[Colour, ...] = ((84, 62, 48), (64, 70, 76), (60, 78, 66), (104, 96, 84), (92, 58, 54), (58, 66, 92))
_GROUND: tuple[Colour, ...] = ((146, 144, 140), (128, 122, 116), (164, 154, 140), (106, 108, 112))


@dataclass(frozen=True)
class Camera:
    """A level camera over flat ground. A ground point (X, Z) in metres appears at `ground(X, Z)`."""

    focal: float  # pixels
    height_m: float
    horizon: float  # image row
    centre: float  # image column of X = 0
    far_m: float  # distance of the facade

    def ground(self, x_m: float, z_m: float) -> tuple[float, float]:
        """Column and row of a ground point in the resting camera."""
        return self.centre + self.focal * x_m / z_m, self.horizon + self.focal * self.height_m / z_m

    def pixels_per_metre(self, z_m: float) -> float:
        """Scale at a distance."""
        return self.focal / z_m


class View(NamedTuple):
    """How the camera of one frame differs from the resting one: out = centre + zoom * (in - centre) + shift."""

    zoom: float
    shift_x: float
    shift_y: float


@dataclass(frozen=True)
class Scenery:
    """The street without people, larger than the image by `MARGIN` on each side.

    Attributes:
        layers: float32 [H + 2 MARGIN, W + 2 MARGIN, 5]: red, green, blue (0-255), glass (1 where a window mirrors),
            light (factor of everything seen there; below 1 in cast shadows).
        panes: x0, x1 of the shop windows in metres at the facade.
    """

    layers: np.ndarray
    panes: tuple[tuple[float, float], ...]

    def seen(self, view: View, width: int, height: int) -> np.ndarray:
        """The layers as one frame sees them, float32 [height, width, 5], bilinear."""
        rows, down = _source(height, view.zoom, view.shift_y, self.layers.shape[0])
        columns, across = _source(width, view.zoom, view.shift_x, self.layers.shape[1])
        lines = self.layers[rows] * (1 - down)[:, None, None] + self.layers[rows + 1] * down[:, None, None]
        return lines[:, columns] * (1 - across)[None, :, None] + lines[:, columns + 1] * across[None, :, None]


def _source(size: int, zoom: float, shift: float, available: int) -> tuple[np.ndarray, np.ndarray]:
    """First of the two source pixels of each output pixel, and the second one's share."""
    at = (np.arange(size) + 0.5 - shift - size / 2) / zoom + size / 2 + MARGIN - 0.5
    at = np.clip(at, 0, available - 1.001)
    first = np.floor(at)
    return first.astype(np.int64), (at - first).astype(np.float32)


def value_noise(rng: np.random.Generator, height: int, width: int, cell: int) -> np.ndarray:
    """Smooth noise in [-1, 1], float32 [height, width]; `cell` is the size of its bumps in pixels."""
    grid = rng.random((height // cell + 2, width // cell + 2)) * 2 - 1
    y, x = np.arange(height) / cell, np.arange(width) / cell
    j, i = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    v, u = (y - j)[:, None], (x - i)[None, :]
    upper = grid[j][:, i] * (1 - u) + grid[j][:, i + 1] * u
    lower = grid[j + 1][:, i] * (1 - u) + grid[j + 1][:, i + 1] * u
    return (upper * (1 - v) + lower * v).astype(np.float32)


def draw_scenery(
    rng: np.random.Generator, camera: Camera, size: tuple[int, int], clutter: int, shadow: float
) -> Scenery:
    """Draw facades down to the far line, paving in perspective below it, and things that belong to nobody.

    Args:
        rng: decides everything random.
        camera: the resting camera.
        size: width, height of the image in pixels.
        clutter: number of posts and bins without annotation, some as slim and as bright as people.
        shadow: depth of cast shadows, 0-1.
    """
    width, height = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
    layers = np.zeros((height, width, 5), np.float32)
    layers[..., 4] = 1
    base = int(camera.ground(0, camera.far_m)[1]) + MARGIN
    panes = _facades(rng, layers, camera, base)
    _paving(rng, layers, camera, base)
    _shadows(rng, layers, shadow)
    image = np.ascontiguousarray(layers[..., :3])
    for _ in range(clutter):
        z = between(rng, 0.9, 1.0) * camera.far_m
        u, v = camera.ground(0, z)
        u, v, m = between(rng, 0, width), v + MARGIN, camera.pixels_per_metre(z)
        colour = pick(rng, CLOTHES) if rng.random() < 0.3 else pick(rng, _DOORS)
        compose(image, _clutter(rng, u, v, m, colour))
    image += 10 * value_noise(rng, height, width, 9)[..., None] + 5 * value_noise(rng, height, width, 2)[..., None]
    layers[..., :3] = image
    return Scenery(layers, panes)


def _clutter(rng: np.random.Generator, u: float, v: float, m: float, colour: Colour) -> Sprite:
    return render(litter_bin(u, v, m, colour) if rng.random() < 0.5 else pole(u, v, m * between(rng, 0.3, 0.5), colour))


def _facades(
    rng: np.random.Generator, layers: np.ndarray, camera: Camera, base: int
) -> tuple[tuple[float, float], ...]:
    """Houses side by side: courses of bricks or panels, rows of windows, a door, often a shop window."""
    m, width = camera.pixels_per_metre(camera.far_m), layers.shape[1]
    y = np.arange(base)[:, None]
    panes, left = [], 0
    while left < width:
        right = min(width, left + int(between(rng, 3.0, 6.5) * m))
        colour = np.asarray(pick(rng, _WALLS), np.float32) * np.float32(between(rng, 0.75, 1.15))
        x = np.arange(left, right)[None, :]
        course = max(2, int(between(rng, 0.12, 0.6) * m))
        joints = ((base - y) % course == 0) | ((x + (base - y) // course * 3) % (2 * course) == 0)
        layers[:base, left:right, :3] = colour * np.where(joints, np.float32(0.86), np.float32(1.0))[..., None]
        layers[:base, left, :3] = colour * np.float32(0.6)
        top = base - int(2.9 * m)
        for row in range(top - int(1.7 * m), -int(2 * m), -int(2.6 * m)):
            for column in range(left + int(0.5 * m), right - int(0.9 * m), int(1.8 * m)):
                _rectangle(layers, column, row, int(0.9 * m), int(1.4 * m), shade_of(rng))
        if rng.random() < 0.65 and right - left > 2.4 * m:
            x0, x1 = left + int(0.4 * m), right - int(1.1 * m)
            _rectangle(layers, x0 - 2, base - int(2.45 * m), x1 - x0 + 4, int(2.3 * m), (52, 50, 48))
            _rectangle(layers, x0, base - int(2.35 * m), x1 - x0, int(2.1 * m), (104, 122, 132))
            layers[max(0, base - int(2.35 * m)) : base - int(0.25 * m), x0:x1, 3] = 1
            _rectangle(layers, x0 - 2, base - int(2.95 * m), x1 - x0 + 4, int(0.42 * m), pick(rng, _DOORS))
            panes.append((((x0 - MARGIN) - camera.centre) / m, ((x1 - MARGIN) - camera.centre) / m))
        _rectangle(layers, right - int(0.95 * m), base - int(2.1 * m), int(0.8 * m), int(2.1 * m), pick(rng, _DOORS))
        left = right
    return tuple(panes)


def shade_of(rng: np.random.Generator) -> Colour:
    """Colour of a window, dark or mirroring the sky."""
    light = between(rng, 0.35, 1.0)
    return (110 * light, 128 * light, 146 * light)


def _rectangle(layers: np.ndarray, x: int, y: int, width: int, height: int, colour: Colour) -> None:
    layers[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width), :3] = np.asarray(colour, np.float32)


def _paving(rng: np.random.Generator, layers: np.ndarray, camera: Camera, base: int) -> None:
    """Slabs on the ground plane below row `base`, a darker kerb band across."""
    v = (np.arange(base, layers.shape[0]) - MARGIN + 0.5)[:, None]
    u = (np.arange(layers.shape[1]) - MARGIN + 0.5)[None, :]
    z = camera.focal * camera.height_m / (v - camera.horizon)
    x = (u - camera.centre) * z / camera.focal
    size = between(rng, 0.5, 1.6)
    i, j = np.floor(x / size).astype(np.int64), np.floor(z / size).astype(np.int64)
    tone = rng.random(64)[(i * 7 + j * 13) % 64]
    joint = ((x / size - i) < 0.05) | ((z / size - j) < 0.06)
    kerb = between(rng, 0.3, 0.7) * camera.far_m
    road = (z > kerb) & (z < kerb + between(rng, 0.0, 3.5))
    factor = np.where(road, 0.66, np.where(joint, 0.8, 0.93 + 0.14 * tone)).astype(np.float32)
    layers[base:, :, :3] = np.asarray(pick(rng, _GROUND), np.float32) * factor[..., None]
    layers[base:, :, 3] = 0


def _shadows(rng: np.random.Generator, layers: np.ndarray, depth: float) -> None:
    """Slanting bands of shadow with soft edges, over ground, walls and people alike."""
    y, x = np.arange(layers.shape[0])[:, None], np.arange(layers.shape[1])[None, :]
    for _ in range(int(rng.integers(0, 3))):
        slope, middle = between(rng, -0.8, 0.8), between(rng, 0, layers.shape[1])
        half = between(rng, 12, 45)
        inside = np.clip((half - np.abs(x - middle - slope * (y - layers.shape[0] / 2))) / 6, 0, 1)
        layers[..., 4] *= (1 - depth * inside).astype(np.float32)


def camera_path(rng: np.random.Generator, kind: str, frames: int, motion: float) -> list[View]:
    """A camera that stands, pans back and forth, is held by hand or zooms; `motion` in pixels a frame, 0 stands."""
    start, period = float(rng.random()), between(rng, 40, 90)
    swing = min(MARGIN - 12.0, motion * period / 4)
    views, x, y = [], 0.0, 0.0
    for frame in range(frames):
        turn = wave(start + frame / period)
        x, y = (0.6 * old + between(rng, -motion, motion) for old in (x, y))
        match kind:
            case "pan":
                views.append(View(1.0, swing * turn + 0.3 * x, 0.3 * y))
            case "hand":
                views.append(View(1.0 + 0.03 * min(1.0, motion) * turn, 0.3 * swing * turn + x, y))
            case "zoom":
                views.append(View(1.1 + 0.1 * min(1.0, motion) * turn, 0.2 * x, 0.2 * y))
            case _:
                views.append(View(1.0, 0.0, 0.0))
    return views
