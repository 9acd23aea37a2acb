"""How the people of a synthetic street walk: across it or along, stopping, turning, alone or in groups."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from study.data.street.looks import Look, between, pick, random_look
from study.data.street.scenery import Camera

_BEFORE = 60  # frames walked before and after the sequence, so that people enter and leave it


class Step(NamedTuple):
    """A person in one frame: place and heading on the ground in metres, way walked so far, and whether it walks."""

    x_m: float
    z_m: float
    heading_x: float
    heading_z: float
    walked_m: float
    moving: float
    reach: float


@dataclass(frozen=True, eq=False)
class Walker:
    """Somebody with a constant look and one step a frame."""

    look: Look
    steps: list[Step]


@dataclass(frozen=True)
class Crowd:
    """Who is about. `people` is the number expected in view; speeds in metres a second; shares of people, 0-1."""

    people: float
    speed: tuple[float, float]
    plain_share: float
    group_share: float
    frame_rate: int


def populate(
    rng: np.random.Generator, crowd: Crowd, camera: Camera, near_m: float, width: int, frames: int
) -> list[Walker]:
    """People whose ways cross the view at random times, so that the number in view stays about the same.

    Args:
        rng: decides everything random.
        crowd: how many, how fast.
        camera: tells where the view is.
        near_m: the nearest distance anybody comes.
        width: of the image in pixels.
        frames: length of the sequence.
    """
    walkers: list[Walker] = []
    frames_in_view = 0
    while frames_in_view < crowd.people * frames:
        speed = between(rng, *crowd.speed) / crowd.frame_rate
        track = _track(rng, speed, frames)
        at = int(rng.integers(-18, frames + 18))
        depth = between(rng, 0.0, 1.0)
        depth = depth * depth * (3 - 2 * depth)  # more people near and far than between: boxes of many sizes
        z = 1 / (depth / near_m + (1 - depth) / camera.far_m)
        x = (between(rng, 0.0, width) - camera.centre) * z / camera.focal
        members = int(rng.integers(2, 4)) if rng.random() < crowd.group_share / 2 else 1
        for member in range(members):
            beside = member * between(rng, 0.45, 0.8), member * between(rng, -0.5, 0.5)
            look = random_look(rng, crowd.plain_share)
            walkers.append(
                Walker(look, _placed(track, at, (x + beside[0], z + beside[1]), near_m, 0.93 * camera.far_m))
            )
            frames_in_view += sum(0 <= camera.ground(s.x_m, s.z_m)[0] < width for s in walkers[-1].steps)
    return walkers


def _heading(rng: np.random.Generator) -> tuple[float, float]:
    """A direction on the ground, mostly across the view."""
    x = pick(rng, (-1.0, 1.0))
    z = between(rng, -0.6, 0.6) if rng.random() < 0.72 else between(rng, -4.0, 4.0)
    length = float(np.sqrt(x * x + z * z))
    return x / length, z / length


def _track(rng: np.random.Generator, speed: float, frames: int) -> list[Step]:
    """Steps from `_BEFORE` frames before the sequence to as many after it, starting at the origin."""
    heading, slow = _heading(rng), 1.0
    stop_at = int(rng.integers(0, frames)) if rng.random() < 0.3 else None
    stop_for = int(rng.integers(6, 24))
    turn_at = int(rng.integers(0, frames)) if rng.random() < 0.25 else None
    reach = between(rng, 0.4, 1.0) if rng.random() < 0.4 else 0.0
    x = z = walked = 0.0
    walked_before = between(rng, 0.0, 2.0)
    steps = []
    for frame in range(-_BEFORE, frames + _BEFORE):
        stands = stop_at is not None and stop_at <= frame < stop_at + stop_for
        slow += 0.5 * ((0.0 if stands else 1.0) - slow)
        if frame == turn_at:
            heading = _heading(rng)
        way = speed * slow * between(rng, 0.85, 1.15)
        x, z, walked = x + heading[0] * way, z + heading[1] * way, walked + way
        steps.append(Step(x, z, *heading, walked + walked_before, slow, reach * (1 - slow)))
    return steps


def _placed(track: list[Step], at: int, place: tuple[float, float], near_m: float, far_m: float) -> list[Step]:
    """The track moved so that it passes `place` in frame `at`, and turned back at the near and far limits."""
    origin = track[at + _BEFORE]
    span = far_m - near_m
    placed = []
    for step in track[_BEFORE : len(track) - _BEFORE]:
        turns = (step.z_m - origin.z_m + place[1] - near_m) / (2 * span)
        part = turns - float(np.floor(turns))
        inwards = part < 0.5
        placed.append(
            step._replace(
                x_m=step.x_m - origin.x_m + place[0],
                z_m=near_m + 2 * span * (part if inwards else 1 - part),
                heading_z=step.heading_z if inwards else -step.heading_z,
            )
        )
    return placed
