"""People of a synthetic street, walking, sitting, printed or in plastic, as parts to draw."""

from dataclasses import replace

from study.data.street.belongings import carried
from study.data.street.body import arm, head, leg, torso
from study.data.street.drawing import Part, disc, shade, slab, wave
from study.data.street.looks import METAL, Look, Pose


def person(look: Look, pose: Pose) -> list[Part]:
    """Parts of a standing, walking or (with a wheelchair) sitting person, far side first."""
    if look.belongings == "wheelchair":
        return _wheelchair(look, pose)
    x, y, h, front, f = pose.x, pose.y, pose.h, 1 - pose.lateral, pose.facing
    swing = pose.moving * wave(pose.phase)
    hip_y = y - 0.5 * h + 0.02 * h * pose.moving * abs(swing)
    near, far = (leg(look, pose, side, hip_y, swing * side) for side in (1, -1))
    far_arm, near_arm = (arm(look, pose, side, -swing * side) for side in (-1, 1))
    behind, before = carried(look, pose, near_arm[-1])
    trunk = torso(look, x, hip_y, y - 0.79 * h, h, front)
    crown = head(look, x + 0.02 * h * f * pose.lateral, y - h, pose)
    return [*behind, *far_arm, *far, *near, *trunk, *crown, *near_arm, *before]


def seated(look: Look, x: float, y: float, h: float) -> list[Part]:
    """Somebody on a bench, seen from the front: sits through the whole sequence."""
    bench = [
        slab(x, y - 0.26 * h, 0.5 * h, 0.035 * h, (110, 78, 50)),
        slab(x, y - 0.45 * h, 0.5 * h, 0.05 * h, (96, 66, 42)),
    ]
    feet = [slab(x + side * 0.42 * h, y - 0.13 * h, 0.025 * h, 0.13 * h, METAL) for side in (-1, 1)]
    legs = [
        Part(x + s * 0.08 * h, y - 0.28 * h, 0.055 * h, x + s * 0.09 * h, y - 0.04 * h, 0.04 * h, look.bottom)
        for s in (-1, 1)
    ]
    pose = Pose(x, y, h, 1, 0.0, True, 0.0, 0.0)
    return [
        *bench,
        *feet,
        *torso(look, x, y - 0.3 * h, y - 0.56 * h, h, 1.0),
        *legs,
        *head(look, x, y - 0.76 * h, pose),
    ]


def mannequin(look: Look, x: float, y: float, h: float) -> list[Part]:
    """A headless shop-window figure: one garment on a trunk, on a stand."""
    garment = replace(look, coat=max(look.coat, 0.1))
    stand = [slab(x, y - 0.03 * h, 0.13 * h, 0.03 * h, METAL), slab(x, y - 0.25 * h, 0.02 * h, 0.25 * h, METAL)]
    neck = disc(x, y - 0.87 * h, 0.03 * h, (206, 198, 186))
    return [*stand, neck, *torso(garment, x, y - 0.5 * h, y - 0.79 * h, h, 1.0)]


def poster(look: Look, x: float, y: float, h: float) -> list[Part]:
    """A board with a portrait in shades of one colour."""
    ink = look.belongings_colour
    dark, light = shade(ink, 0.45), shade(ink, 1.6)
    printed = replace(look, skin=ink, hair=dark, top=dark, second=ink, pattern="plain", hat=False, coat=0.0)
    board = [slab(x, y - 0.55 * h, 0.34 * h, 0.55 * h, (48, 48, 52)), slab(x, y - 0.55 * h, 0.3 * h, 0.51 * h, light)]
    face = head(printed, x, y - 0.95 * h, Pose(x, y, 2.2 * h, 1, 0.0, True, 0.0, 0.0))
    bust = Part(x, y - 0.38 * h, 0.16 * h, x, y - 0.22 * h, 0.16 * h, dark, 1.4)
    return [*board, bust, *face]


def _wheelchair(look: Look, pose: Pose) -> list[Part]:
    x, y, h, lateral, front = pose.x, pose.y, pose.h, pose.lateral, 1 - pose.lateral
    ahead, sideways = pose.facing * h * lateral, lateral > 0.5
    seat_y, knee, ankle, dark = y - 0.28 * h, x + 0.2 * ahead, x + 0.26 * ahead, (28, 28, 32)
    far_wheel, near_wheel = (_wheel(x + side * 0.17 * h * front - 0.04 * ahead, y, h, lateral) for side in (-1, 1))
    rest_x = x - 0.12 * ahead
    rest = Part(rest_x, y - 0.55 * h, 0.05 * h, rest_x, seat_y, 0.05 * h, look.belongings_colour, 1 + 1.8 * front)
    legs = [
        Part(x, seat_y, 0.06 * h, knee, seat_y, 0.055 * h, look.bottom, 1 + 0.8 * front),
        Part(knee, seat_y, 0.05 * h, ankle, y - 0.06 * h, 0.04 * h, look.bottom, 1 + front),
        Part(ankle, y - 0.04 * h, 0.03 * h, ankle + 0.08 * ahead, y - 0.04 * h, 0.025 * h, dark, 1 + 1.5 * front),
    ]
    trunk = torso(look, x - 0.03 * ahead, seat_y - 0.02 * h, y - 0.54 * h, h, front)
    crown = head(look, x, y - 0.76 * h, pose)
    if not pose.towards and not sideways:
        return [*legs, *trunk, *crown, rest, *far_wheel, *near_wheel]
    hand = Part(x, y - 0.52 * h, 0.035 * h, x + 0.1 * ahead, y - 0.34 * h, 0.028 * h, shade(look.top, 0.85))
    return [rest, *far_wheel, *trunk, *legs, *near_wheel, hand, *crown]


def _wheel(x: float, y: float, h: float, lateral: float) -> list[Part]:
    """Tyre, spokes and hub; a narrow tyre alone when seen from the front."""
    tyre, spokes, stretch = (28, 28, 32), (128, 130, 134), 0.25 + 0.75 * lateral
    seen = ((0.19, tyre), (0.15, spokes), (0.035, tyre)) if lateral > 0.5 else ((0.19, tyre),)
    return [disc(x, y - 0.19 * h, radius * h, colour, stretch) for radius, colour in seen]
