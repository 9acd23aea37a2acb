"""A synthetic street: frames of people and things before a moving camera, and the annotations they give."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from study.data.street.drawing import Sprite, compose, disc, render
from study.data.street.figures import person
from study.data.street.looks import Pose, between
from study.data.street.placing import PEDESTRIAN, REFLECTION, place_distractors, place_occluders
from study.data.street.scenery import CAMERA_KINDS, Camera, View, camera_path, draw_scenery
from study.data.street.walks import Crowd, Step, Walker, populate

MIN_VISIBILITY = 0.25  # a pedestrian seen less is annotated but not evaluated
MIN_PIXELS_INSIDE = 3  # of a box's width and height within the image, for the same
_CROWDING = (0.0, 1.0, -1.4, 0.4)  # of successive sequences, times the spread


@dataclass(frozen=True)
class Difficulty:
    """What makes a street hard to track. Motion in pixels a frame, speeds in metres a second, shares 0-1."""

    frame_rate: int = 7
    people: float = 4.0  # in view on average, standing before or behind each other
    crowd_spread: float = 0.6  # how much sequences differ in that, as a share
    speed: tuple[float, float] = (0.5, 1.5)
    plain_share: float = 0.85  # of people who carry nothing
    group_share: float = 0.2  # of people who walk with others
    camera_motion: float = 0.5
    occluders: int = 1
    distractors: int = 1
    clutter: int = 0
    light_spread: float = 0.05  # of a sequence's gain
    shadow: float = 0.1
    noise: int = 2  # largest deviation of a pixel
    blurred_share: float = 0.0  # of sequences
    mirroring_share: float = 0.1  # of sequences, whose shop windows mirror people


class Row(NamedTuple):
    """One annotation. Box: left and top edge (0-based pixels), width, height; visibility 0-1."""

    ident: int
    box: tuple[int, int, int, int]
    flag: int
    class_id: int
    visibility: float


class Frame(NamedTuple):
    """An image, uint8 [H, W, 3], and its annotations."""

    image: np.ndarray
    rows: list[Row]


class _Actor(NamedTuple):
    key: object
    class_id: int
    z_m: float
    sprite: Sprite
    shadow: Sprite | None


class Street:
    """One sequence: a scene, its people, its camera and its light.

    Args:
        rng: random numbers; equal ones give equal frames.
        size: width, height of the images in pixels.
        frames: length of the sequence.
        difficulty: what to draw.
        variant: number of the sequence; crowding and camera go round with it, so that every split has all kinds.
    """

    def __init__(
        self, rng: np.random.Generator, size: tuple[int, int], frames: int, difficulty: Difficulty, variant: int
    ) -> None:
        width, height = size
        self._rng, self._size, self._difficulty = rng, size, difficulty
        far_scale = between(rng, 0.15, 0.165) * height  # pixels a metre at the facades
        near_scale = between(rng, 0.41, 0.46) * height
        base, eye, focal = between(rng, 0.4, 0.54) * height, between(rng, 1.6, 2.5), between(rng, 0.8, 1.0) * width
        self._camera = Camera(focal, eye, base - far_scale * eye, width / 2, focal / far_scale)
        near_m = focal / near_scale
        self._scenery = draw_scenery(rng, self._camera, size, difficulty.clutter, difficulty.shadow)
        self._views = camera_path(rng, CAMERA_KINDS[variant % len(CAMERA_KINDS)], frames, difficulty.camera_motion)
        people = difficulty.people * (1 + difficulty.crowd_spread * _CROWDING[variant % len(_CROWDING)])
        crowd = Crowd(people, difficulty.speed, difficulty.plain_share, difficulty.group_share, difficulty.frame_rate)
        self._walkers = populate(rng, crowd, self._camera, near_m, width, frames)
        self._things = [
            *place_occluders(rng, self._camera, width, near_m, difficulty.occluders),
            *place_distractors(rng, self._camera, width, self._scenery.panes, difficulty.distractors),
        ]
        spread = difficulty.light_spread
        gain, slope = between(rng, 1.15 - spread, 1.15 + spread), between(rng, -spread, spread)
        tint = np.asarray([between(rng, 0.94, 1.06) for _ in range(3)])
        across = 1 + slope * (np.arange(width) / width - 0.5)
        self._light = (gain * across[:, None] * tint).astype(np.float32)  # [W, 3]
        self._blurred = rng.random() < difficulty.blurred_share
        self._mirroring = rng.random() < difficulty.mirroring_share
        self._idents: dict[object, int] = {}

    def frames(self) -> Iterator[Frame]:
        """Draw the frames in order; identities are numbered from 1 as they first appear."""
        width, height = self._size
        for index, view in enumerate(self._views):
            layers = self._scenery.seen(view, width, height)
            image = np.ascontiguousarray(layers[..., :3])
            rows = self._reflections(image, layers[..., 3], index, view)
            rows += self._compose(image, self._actors(index, view))
            yield Frame(self._expose(image * layers[..., 4:]), rows)

    def _actors(self, index: int, view: View) -> list[_Actor]:
        """Everything that stands or walks in this frame, farthest first."""
        actors = []
        for thing in self._things:
            x, y, m = self._project(thing.x_m, thing.z_m, view)
            actors.append(_Actor(thing, thing.class_id, thing.z_m, render(thing.parts(x, y, m)), None))
        for walker in self._walkers:
            step = walker.steps[index]
            x, y, m = self._project(step.x_m, step.z_m, view)
            h = walker.look.height_m * m
            if self._in_sight(x, h):
                sprite = render(person(walker.look, _pose(walker, step, x, y, h)))
                shadow = render([disc(x + 0.1 * h, y - 0.01 * h, 0.05 * h, (0, 0, 0), 4.0)])
                actors.append(_Actor(walker, PEDESTRIAN, step.z_m, sprite, shadow))
        return sorted(actors, key=lambda actor: -actor.z_m)

    def _compose(self, image: np.ndarray, actors: list[_Actor]) -> list[Row]:
        """Draw far before near; visibility is the share of a silhouette's pixels that nothing later covers."""
        owner = np.full(image.shape[:2], -1, np.int32)
        for actor in actors:
            if actor.shadow:
                compose(image, actor.shadow, 0.35)
        inside = []
        for index, actor in enumerate(actors):
            rows, columns, silhouette = compose(image, actor.sprite)
            owner[rows, columns][silhouette] = index
            inside.append(int(silhouette.sum()))
        seen = np.bincount(owner[owner >= 0], minlength=len(actors))
        return [
            self._row(actor, int(seen[index]) / int(actor.sprite.silhouette.sum()))
            for index, actor in enumerate(actors)
            if inside[index]
        ]

    def _row(self, actor: _Actor, visibility: float) -> Row:
        box = actor.sprite.box_xywh()
        assert box is not None
        x, y, w, h = box
        within = min(x + w, self._size[0]) - max(x, 0), min(y + h, self._size[1]) - max(y, 0)
        evaluated = actor.class_id == PEDESTRIAN and visibility >= MIN_VISIBILITY and min(within) >= MIN_PIXELS_INSIDE
        ident = self._idents.setdefault(actor.key, len(self._idents) + 1)
        return Row(ident, box, int(evaluated), actor.class_id, visibility)

    def _reflections(self, image: np.ndarray, glass: np.ndarray, index: int, view: View) -> list[Row]:
        """Faint images of passers-by in the shop windows, as far behind the facade as they are before it."""
        rows = []
        for walker in self._walkers if self._mirroring else ():
            step = walker.steps[index]
            z = 2 * self._camera.far_m - step.z_m
            x, y, m = self._project(step.x_m, z, view)
            h = walker.look.height_m * m
            if step.z_m < 0.7 * self._camera.far_m or not self._in_sight(x, h):
                continue
            turned = step._replace(heading_z=-step.heading_z)
            sprite = render(person(walker.look, _pose(walker, turned, x, y, h)))
            at_rows, at_columns, silhouette = compose(image, sprite, 0.35 * glass)
            mirrored = int((silhouette & (glass[at_rows, at_columns] >= 0.5)).sum()) / int(sprite.silhouette.sum())
            if mirrored >= 0.3:
                rows.append(self._row(_Actor((walker, "reflection"), REFLECTION, z, sprite, None), mirrored))
        return rows

    def _project(self, x_m: float, z_m: float, view: View) -> tuple[float, float, float]:
        """Column, row and pixels a metre of a ground point in a frame."""
        u, v = self._camera.ground(x_m, z_m)
        cx, cy = self._size[0] / 2, self._size[1] / 2
        x, y = cx + view.zoom * (u - cx) + view.shift_x, cy + view.zoom * (v - cy) + view.shift_y
        return x, y, view.zoom * self._camera.pixels_per_metre(z_m)

    def _in_sight(self, x: float, h: float) -> bool:
        """Whether somebody at column x may reach into the image; pushchairs reach farthest, 0.66 of a height."""
        return -0.7 * h < x < self._size[0] + 0.7 * h

    def _expose(self, image: np.ndarray) -> np.ndarray:
        """Light, lens and sensor: uint8 [H, W, 3]."""
        image = image * self._light * np.float32(between(self._rng, 0.97, 1.03))
        if self._blurred:
            image[:, 1:-1] = (image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]) / 4
            image[1:-1] = (image[:-2] + 2 * image[1:-1] + image[2:]) / 4
        noise = self._difficulty.noise
        image += self._rng.integers(-noise, noise + 1, image.shape)
        return np.clip(np.floor(image + np.float32(0.5)), 0, 255).astype(np.uint8)


def _pose(walker: Walker, step: Step, x: float, y: float, h: float) -> Pose:
    cycles = step.walked_m / (0.75 * walker.look.height_m)
    facing = 1 if step.heading_x >= 0 else -1
    return Pose(x, y, h, facing, abs(step.heading_x), step.heading_z < 0, cycles, step.moving, step.reach)
