"""People and things of a synthetic street, as parts to draw. Lengths are fractions of a person's height `h`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from study.data.drawing import Colour, Part, Pattern, disc, shade, slab, wave

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
_METAL: Colour = (70, 72, 78)
_BELONGINGS = {"suitcase": 14, "pushchair": 11, "wheelchair": 7, "umbrella": 13, "backpack": 14, "handbag": 14}


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
        height_m=between(rng, 0.95, 1.4) if child else between(rng, 1.55, 1.92),
        build=between(rng, 0.8, 1.45),
        head=between(rng, 0.08, 0.1) if child else between(rng, 0.058, 0.07),
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
        stride=between(rng, 0.12, 0.2),
    )


def person(look: Look, pose: Pose) -> list[Part]:
    """Parts of a standing, walking or (with a wheelchair) sitting person, far side first."""
    if look.belongings == "wheelchair":
        return _wheelchair(look, pose)
    x, y, h, front, f = pose.x, pose.y, pose.h, 1 - pose.lateral, pose.facing
    swing = pose.moving * wave(pose.phase)
    hip_y = y - 0.5 * h + 0.02 * h * pose.moving * abs(swing)
    near, far = (_leg(look, pose, side, hip_y, swing * side) for side in (1, -1))
    torso = _torso(look, x, hip_y, y - 0.79 * h, h, front)
    far_arm, near_arm = (_arm(look, pose, side, -swing * side) for side in (-1, 1))
    behind, before = _carried(look, pose, near_arm[-1])
    parts = [
        *behind,
        *far_arm,
        *far,
        *near,
        *torso,
        *_head(look, x + 0.02 * h * f * pose.lateral, y - h, pose),
        *near_arm,
    ]
    return [*parts, *before]


def seated(look: Look, x: float, y: float, h: float) -> list[Part]:
    """Somebody on a bench, seen from the front: sits through the whole sequence."""
    bench = [
        slab(x, y - 0.26 * h, 0.5 * h, 0.035 * h, (110, 78, 50)),
        slab(x, y - 0.45 * h, 0.5 * h, 0.05 * h, (96, 66, 42)),
    ]
    feet = [slab(x + side * 0.42 * h, y - 0.13 * h, 0.025 * h, 0.13 * h, _METAL) for side in (-1, 1)]
    legs = [
        Part(x + s * 0.08 * h, y - 0.28 * h, 0.055 * h, x + s * 0.09 * h, y - 0.04 * h, 0.04 * h, look.bottom)
        for s in (-1, 1)
    ]
    pose = Pose(x, y, h, 1, 0.0, True, 0.0, 0.0)
    return [
        *bench,
        *feet,
        *_torso(look, x, y - 0.3 * h, y - 0.56 * h, h, 1.0),
        *legs,
        *_head(look, x, y - 0.76 * h, pose),
    ]


def mannequin(look: Look, x: float, y: float, h: float) -> list[Part]:
    """A shop-window figure: a person's shape in a single pale colour with one garment, on a foot plate."""
    pale = (206, 198, 186)
    still = Pose(x, y, h, 1, 0.2, True, 0.0, 0.0)
    bare = Look(
        **{**look.__dict__, "skin": pale, "hair": pale, "bottom": pale, "hat": False, "belongings": "", "coat": 0.0}
    )
    return [slab(x, y, 0.16 * h, 0.02 * h, _METAL), *person(bare, still)]


def poster(look: Look, x: float, y: float, h: float) -> list[Part]:
    """A person printed on a framed board."""
    back = [
        slab(x, y - 0.5 * h, 0.34 * h, 0.58 * h, (48, 48, 52)),
        slab(x, y - 0.5 * h, 0.3 * h, 0.54 * h, shade(look.belongings_colour, 1.25)),
    ]
    return [*back, *person(Look(**{**look.__dict__, "belongings": ""}), Pose(x, y, h, 1, 0.1, True, 0.0, 0.0))]


def pole(x: float, y: float, m: float, colour: Colour) -> list[Part]:
    """A lamp post of 4.5 m, `m` pixels a metre."""
    return [slab(x, y - 2.25 * m, 0.08 * m, 2.25 * m, colour), slab(x, y - 0.25 * m, 0.15 * m, 0.25 * m, colour)]


def bin_(x: float, y: float, m: float, colour: Colour) -> list[Part]:
    """A litter bin, about as wide as a person and half as tall."""
    return [
        slab(x, y - 0.45 * m, 0.25 * m, 0.45 * m, colour),
        slab(x, y - 0.92 * m, 0.28 * m, 0.06 * m, shade(colour, 0.7)),
    ]


def bush(x: float, y: float, m: float, leaves: Sequence[tuple[float, float, float]]) -> list[Part]:
    """A shrub made of leaf clumps (offset x, height, radius, in metres)."""
    return [disc(x + dx * m, y - up * m, r * m, (46 + 60 * r, 84 + 110 * up * 0.5, 40), 1.2) for dx, up, r in leaves]


def car(x: float, y: float, m: float, colour: Colour) -> list[Part]:
    """A parked car seen from the side: 4.1 m long, 1.45 m high."""
    glass, dark = (96, 116, 130), (22, 22, 24)
    parts = [
        Part(x - 0.95 * m, y - 1.2 * m, 0.25 * m, x + 0.75 * m, y - 1.2 * m, 0.25 * m, colour),
        Part(x - 0.8 * m, y - 1.16 * m, 0.17 * m, x + 0.6 * m, y - 1.16 * m, 0.17 * m, glass),
        slab(x - 0.1 * m, y - 1.15 * m, 0.05 * m, 0.2 * m, colour),
        Part(x - 1.7 * m, y - 0.66 * m, 0.36 * m, x + 1.68 * m, y - 0.6 * m, 0.33 * m, colour),
        slab(x, y - 0.42 * m, 1.9 * m, 0.1 * m, shade(colour, 0.6)),
    ]
    for side in (-1, 1):
        parts += [
            disc(x + side * 1.2 * m, y - 0.32 * m, 0.32 * m, dark),
            disc(x + side * 1.2 * m, y - 0.32 * m, 0.17 * m, (150, 150, 150)),
        ]
    return parts


def _leg(look: Look, pose: Pose, side: int, hip_y: float, swing: float) -> list[Part]:
    x, y, h, f = pose.x, pose.y, pose.h, pose.facing
    front = 1 - pose.lateral
    hip_x = x + side * (0.015 + 0.05 * front) * h * look.build
    foot_x = hip_x + f * swing * look.stride * pose.lateral * h + side * 0.02 * h * front
    lift = 0.05 * h * pose.moving * max(0.0, wave(pose.phase + (0.25 if side > 0 else 0.75)))
    foot_y = y - 0.025 * h - lift
    knee_x, knee_y = (hip_x + foot_x) / 2 + f * 0.03 * h * pose.lateral * pose.moving, (hip_y + foot_y) / 2
    colour = shade(look.bottom, 1.0 if side > 0 else 0.78)
    calf = look.skin if look.coat > 0.2 else colour
    thick = 0.052 * h * look.build
    toe = foot_x + f * 0.06 * h * pose.lateral
    return [
        Part(knee_x, knee_y, 0.75 * thick, foot_x, foot_y, 0.5 * thick, calf),
        Part(hip_x, hip_y, thick, knee_x, knee_y, 0.75 * thick, colour),
        Part(foot_x, foot_y, 0.026 * h, toe, foot_y, 0.022 * h, (34, 30, 30), 1.2),
    ]


def _torso(look: Look, x: float, hip_y: float, shoulder_y: float, h: float, front: float) -> list[Part]:
    stretch = 1 + 0.5 * front
    parts = []
    if look.coat:
        hem = hip_y + look.coat * h
        parts.append(Part(x, hip_y, 0.08 * h * look.build, x, hem, 0.095 * h * look.build, look.top, stretch))
    parts.append(
        Part(
            x,
            shoulder_y,
            0.07 * h * look.build,
            x,
            hip_y,
            0.066 * h * look.build,
            look.top,
            stretch,
            pattern=look.pattern,
            second=look.second,
            period=(0.14 if look.pattern == "two_tone" else 0.075) * h,
        )
    )
    return parts


def _arm(look: Look, pose: Pose, side: int, swing: float) -> list[Part]:
    h, f = pose.h, pose.facing
    x = pose.x + side * 0.115 * h * (1 - pose.lateral) * look.build
    y = pose.y - 0.77 * h
    reach = pose.reach if side > 0 else 0.0
    outwards = f if pose.lateral > 0.5 else side
    hand_x = x + f * swing * 0.17 * h * pose.lateral + side * 0.03 * h * (1 - pose.lateral) + outwards * 0.3 * h * reach
    hand_y = y + 0.33 * h - 0.03 * h * abs(swing) - 0.3 * h * reach
    elbow_x, elbow_y = (x + hand_x) / 2 - f * 0.02 * h * pose.lateral, (y + hand_y) / 2 + 0.02 * h
    sleeve = shade(look.second if look.pattern == "two_tone" else look.top, 0.86)
    return [
        Part(x, y, 0.036 * h * look.build, elbow_x, elbow_y, 0.03 * h * look.build, sleeve),
        Part(elbow_x, elbow_y, 0.03 * h * look.build, hand_x, hand_y, 0.024 * h * look.build, sleeve),
        disc(hand_x, hand_y, 0.024 * h, look.skin),
    ]


def _head(look: Look, x: float, top: float, pose: Pose) -> list[Part]:
    r, f, lateral = look.head * pose.h, pose.facing, pose.lateral
    y = top + r
    neck = Part(x, y, 0.5 * r, x, y + 1.4 * r, 0.5 * r, shade(look.skin, 0.85))
    hair = disc(x - f * 0.2 * r * lateral, y - 0.1 * r, r, look.hair, 0.92)
    shown = 0.75 if pose.towards or lateral > 0.5 else 0.0
    face = [disc(x + f * 0.28 * r * lateral, y + 0.22 * r, shown * r, look.skin, 0.9)] if shown else []
    hat = [Part(x, y - 0.45 * r, 0.6 * r, x + f * 0.6 * r * lateral, y - 0.4 * r, 0.45 * r, look.second, 1.5)]
    return [neck, hair, *face, *(hat if look.hat else [])]


def _carried(look: Look, pose: Pose, hand: Part) -> tuple[list[Part], list[Part]]:
    """What is drawn behind the person, and what before it."""
    x, y, h, f, lateral = pose.x, pose.y, pose.h, pose.facing, pose.lateral
    colour, front = look.belongings_colour, 1 - lateral
    match look.belongings:
        case "backpack":
            at = x - f * 0.13 * h * lateral
            pack = [Part(at, y - 0.74 * h, 0.075 * h, at, y - 0.6 * h, 0.085 * h, colour, 1 + 0.3 * front)]
            return (pack, []) if pose.towards or lateral > 0.5 else ([], pack)
        case "handbag":
            return [], [slab(hand.x0, hand.y0 + 0.09 * h, 0.09 * h, 0.065 * h, colour)]
        case "suitcase":
            at = x - f * 0.34 * h * (lateral if lateral > 0.5 else 0.8)
            handle = Part(hand.x0, hand.y0, 0.01 * h, at, y - 0.3 * h, 0.012 * h, _METAL)
            case = slab(at, y - 0.19 * h, (0.1 + 0.04 * front) * h, 0.15 * h, colour)
            stripe = slab(at, y - 0.19 * h, 0.02 * h, 0.15 * h, shade(colour, 0.6))
            return [handle, case, stripe, disc(at, y - 0.03 * h, 0.03 * h, (20, 20, 20), 2.0)], []
        case "pushchair":
            at, low = x + f * (0.42 * lateral + 0.12 * front) * h, y - 0.24 * h
            seat = Part(at - 0.08 * h, low, 0.09 * h, at + 0.08 * h, low, 0.1 * h, colour, 1.1)
            hood = disc(at + f * 0.03 * h, low - 0.14 * h, 0.13 * h, shade(colour, 0.75), 1.1)
            bar = Part(at, low, 0.014 * h, x + f * 0.16 * h, y - 0.52 * h, 0.016 * h, _METAL)
            wheels = [disc(at + s * 0.13 * h, y - 0.06 * h, 0.06 * h, (26, 26, 28)) for s in (-1, 1)]
            return [], [bar, seat, hood, *wheels]
        case "umbrella":
            top = y - 1.14 * h
            stick = Part(x + f * 0.06 * h, y - 0.55 * h, 0.012 * h, x + f * 0.03 * h, top, 0.012 * h, _METAL)
            cover = Part(
                x + f * 0.03 * h,
                top,
                0.1 * h,
                x + f * 0.03 * h,
                top,
                0.1 * h,
                colour,
                3.1,
                pattern="bars" if look.hat else "plain",
                second=look.second,
                period=0.16 * h,
            )
            return [], [stick, cover]
    return [], []


def _wheelchair(look: Look, pose: Pose) -> list[Part]:
    x, y, h, f, lateral = pose.x, pose.y, pose.h, pose.facing, pose.lateral
    front = 1 - lateral
    seat_y, dark = y - 0.28 * h, (28, 28, 32)
    knee = x + f * 0.2 * h * lateral
    wheels: list[Part] = []
    for side in (-1, 1):
        at = x + side * 0.17 * h * front - f * 0.04 * h * lateral
        wheels.append(disc(at, y - 0.19 * h, 0.19 * h, dark, 0.25 + 0.75 * lateral))
        if lateral > 0.5:
            wheels.append(disc(at, y - 0.19 * h, 0.15 * h, (128, 130, 134), 0.25 + 0.75 * lateral))
    back = Part(
        x - f * 0.12 * h * lateral,
        y - 0.55 * h,
        0.05 * h,
        x - f * 0.12 * h * lateral,
        seat_y,
        0.05 * h,
        look.belongings_colour,
        1 + 1.8 * front,
    )
    legs = [
        Part(x, seat_y, 0.06 * h, knee, seat_y, 0.055 * h, look.bottom, 1 + 0.8 * front),
        Part(
            knee, seat_y, 0.05 * h, knee + f * 0.06 * h * lateral, y - 0.06 * h, 0.04 * h, look.bottom, 1 + 1.0 * front
        ),
        Part(
            knee + f * 0.06 * h * lateral,
            y - 0.04 * h,
            0.03 * h,
            knee + f * 0.14 * h * lateral,
            y - 0.04 * h,
            0.025 * h,
            dark,
            1 + 1.5 * front,
        ),
    ]
    seated_pose = pose._replace(x=x - f * 0.03 * h * lateral)
    torso = _torso(look, seated_pose.x, seat_y - 0.02 * h, y - 0.54 * h, h, front)
    arm = Part(x, y - 0.52 * h, 0.035 * h, x + f * 0.1 * h, y - 0.34 * h, 0.028 * h, shade(look.top, 0.85))
    head = _head(look, x, y - 0.76 * h, pose)
    hub = disc(x - f * 0.04 * h, y - 0.19 * h, 0.035 * h, dark)
    if not pose.towards and lateral <= 0.5:
        return [*legs, *torso, *head, back, *wheels]
    return [
        back,
        *wheels[: len(wheels) // 2],
        *torso,
        *legs,
        *wheels[len(wheels) // 2 :],
        *([hub] if lateral > 0.5 else []),
        arm,
        *head,
    ]
