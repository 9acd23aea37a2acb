"""What stands in a synthetic street: occluders before the people, and distractors that look like people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from study.data.street import figures, things
from study.data.street.drawing import Part
from study.data.street.looks import CLOTHES, between, pick, random_look
from study.data.street.scenery import Camera

PEDESTRIAN, CAR, STATIC_PERSON, DISTRACTOR, OCCLUDER_ON_GROUND, OCCLUDER, REFLECTION = 1, 3, 7, 8, 10, 11, 12


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that stands still; `parts(x, y, pixels_per_metre)` draws it at its foot's pixel."""

    class_id: int
    x_m: float
    z_m: float
    parts: Callable[[float, float, float], list[Part]]


def place_occluders(rng: np.random.Generator, camera: Camera, width: int, near_m: float, count: int) -> list[Thing]:
    """Lamp posts, shrubs, cars and bins among the people; `width` of the image in pixels."""
    placed = []
    for _ in range(count):
        kind = pick(rng, ("pole", "pole", "pole", "bush", "bush", "car", "bin"))
        low, high = (0.55, 0.85) if kind == "car" else (1.1 * near_m / camera.far_m, 0.8)
        x, z = _spot(rng, camera, width, low, high)
        match kind:
            case "car":
                placed.append(Thing(CAR, x, z, _coloured(things.car, rng)))
            case "pole":
                placed.append(Thing(OCCLUDER, x, z, _coloured(things.pole, rng)))
            case "bin":
                placed.append(Thing(OCCLUDER_ON_GROUND, x, z, _coloured(things.litter_bin, rng)))
            case _:
                placed.append(Thing(OCCLUDER_ON_GROUND, x, z, _leafy(rng)))
    return placed


def place_distractors(
    rng: np.random.Generator, camera: Camera, width: int, panes: Sequence[tuple[float, float]], count: int
) -> list[Thing]:
    """Mannequins in shop windows, posters, people on benches; `panes` as in `Scenery`."""
    placed = []
    for _ in range(count):
        kind = pick(rng, ("mannequin", "poster", "seated"))
        if kind == "seated":
            x, z = _spot(rng, camera, width, 0.65, 0.9)
            placed.append(Thing(STATIC_PERSON, x, z, _still(figures.seated, rng)))
        elif kind == "mannequin" and panes:
            left, right = pick(rng, panes)
            x = between(rng, left + 0.3, right - 0.3)
            placed.append(Thing(DISTRACTOR, x, camera.far_m, _still(figures.mannequin, rng)))
        else:
            x, z = _spot(rng, camera, width, 1.0, 1.0)
            placed.append(Thing(DISTRACTOR, x, z, _still(figures.poster, rng)))
    return placed


def _spot(rng: np.random.Generator, camera: Camera, width: int, low: float, high: float) -> tuple[float, float]:
    """A random ground point in view, at distances given as fractions of the far line's."""
    z = between(rng, low, high) * camera.far_m
    return (between(rng, 0.03, 0.97) * width - camera.centre) * z / camera.focal, z


def _coloured(draw: Callable[..., list[Part]], rng: np.random.Generator) -> Callable[[float, float, float], list[Part]]:
    colour = pick(rng, CLOTHES)
    return lambda x, y, m: draw(x, y, m, colour)


def _leafy(rng: np.random.Generator) -> Callable[[float, float, float], list[Part]]:
    leaves = [(between(rng, -0.6, 0.6), between(rng, 0.15, 0.75), between(rng, 0.15, 0.32)) for _ in range(16)]
    return lambda x, y, m: things.bush(x, y, m, leaves)


def _still(draw: Callable[..., list[Part]], rng: np.random.Generator) -> Callable[[float, float, float], list[Part]]:
    look = random_look(rng, 1.0)
    return lambda x, y, m: draw(look, x, y, look.height_m * m)
