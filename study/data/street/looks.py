"""What people look like and how they stand: constant looks, the poses of single frames, and random choices of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from study.data.street.drawing import Colour, Pattern, shade

Item = TypeVar("Item")

CLOTHES: tuple[Colour, ...] = (
    (38, 42, 58),
    (176, 44, 48),
    (52, 92, 168),
    (58, 118, 72),
    (222, 218, 206),
    (206, 160, 52),
    (120, 78, 52),
    (116, 118, 124),
    (112, 62, 128),
    (62, 152, 164),
    (214, 124, 146),
    (24, 24, 28),
)
_SKIN: tuple[Colour, ...] = ((236, 196, 168), (214, 164, 128), (166, 116, 82), (104, 70, 52))
_HAIR: tuple[Colour, ...] = ((28, 22, 20), (84, 56, 34), (182, 142, 84), (150, 148, 146), (120, 50, 30))
_PATTERNS: tuple[Pattern, ...] = ("plain", "plain", "stripes", "bars", "checks", "two_tone")
METAL: Colour = (70, 72, 78)
_BELONGINGS = {"suitcase": 12, "pushchair": 7, "wheelchair": 6, "umbrella": 7, "backpack": 16, "handbag": 16}


@dataclass(frozen=True)
class Look:
    """What makes one person differ from another; constant over a sequence."""

    height_m: float
    build: float  # 1 is average; widens torso and limbs
    head: float  # radius, fraction of the height: children have larger heads
    skin: Colour
    hair: Colour
    top: Colour
    second: Colour
    pattern: Pattern
    bottom: Colour
    belongings_colour: Colour
    coat: float  # length of coat or skirt below the hip; 0 for trousers
    hat: bool
    belongings: str  # a key of `_BELONGINGS`, or "" for none
    stride: float  # half the distance of the feet


class Pose(NamedTuple):
    """Where a person stands and how it moves in one frame."""

    x: float  # of the feet, pixels
    y: float
    h: float  # height in pixels
    facing: int  # 1 to the right, -1 to the left
    lateral: float  # 0: walks towards or away from the camera, 1: across the image
    towards: bool  # the face is seen when not lateral
    phase: float  # walking cycles so far
    moving: float  # 1 walks, 0 stands
    reach: float = 0.0  # how far an arm is stretched out, 0-1


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of the items, all equally likely."""
    return items[int(rng.integers(len(items)))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in [low, high), from two exactly rounded operations (`Generator.uniform` may fuse them)."""
    return low + (high - low) * float(rng.random())


def random_look(rng: np.random.Generator, plain_share: float) -> Look:
    """A person of random shape, clothes and belongings; `plain_share` is the share of people carrying nothing."""
    child = rng.random() < 0.14
    names = [name for name, tickets in _BELONGINGS.items() for _ in range(tickets)]
    belongings = "" if rng.random() < plain_share else pick(rng, names)
    if child and belongings in ("pushchair", "suitcase", "wheelchair"):
        belongings = "backpack"
    return Look(
        height_m=between(rng, 1.15, 1.4) if child else between(rng, 1.55, 1.92),
        build=between(rng, 0.75, 1.3),
        head=between(rng, 0.08, 0.1) if child else between(rng, 0.062, 0.074),
        skin=pick(rng, _SKIN),
        hair=pick(rng, _HAIR),
        top=shade(pick(rng, CLOTHES), between(rng, 0.85, 1.15)),
        second=shade(pick(rng, CLOTHES), between(rng, 0.85, 1.15)),
        pattern=pick(rng, _PATTERNS),
        bottom=shade(pick(rng, CLOTHES), between(rng, 0.7, 1.0)),
        belongings_colour=shade(pick(rng, CLOTHES), between(rng, 0.8, 1.2)),
        coat=between(rng, 0.1, 0.28) if rng.random() < 0.3 else 0.0,
        hat=rng.random() < 0.2,
        belongings=belongings,
        stride=between(rng, 0.08, 0.15),
    )
