"""What people carry, push and pull; much of what makes their boxes differ in width and height."""

from study.data.street.drawing import Part, disc, shade, slab
from study.data.street.looks import METAL, Look, Pose


def carried(look: Look, pose: Pose, hand: Part) -> tuple[list[Part], list[Part]]:
    """Belongings: the parts drawn behind the person, and those drawn before it."""
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
            handle = Part(hand.x0, hand.y0, 0.01 * h, at, y - 0.3 * h, 0.012 * h, METAL)
            case = slab(at, y - 0.19 * h, (0.1 + 0.04 * front) * h, 0.15 * h, colour)
            stripe = slab(at, y - 0.19 * h, 0.02 * h, 0.15 * h, shade(colour, 0.6))
            return [handle, case, stripe, disc(at, y - 0.03 * h, 0.03 * h, (20, 20, 20), 2.0)], []
        case "pushchair":
            at, low = x + f * (0.42 * lateral + 0.12 * front) * h, y - 0.24 * h
            seat = Part(at - 0.08 * h, low, 0.09 * h, at + 0.08 * h, low, 0.1 * h, colour, 1.1)
            hood = disc(at + f * 0.03 * h, low - 0.14 * h, 0.13 * h, shade(colour, 0.75), 1.1)
            bar = Part(at, low, 0.014 * h, x + f * 0.16 * h, y - 0.52 * h, 0.016 * h, METAL)
            wheels = [disc(at + s * 0.13 * h, y - 0.06 * h, 0.06 * h, (26, 26, 28)) for s in (-1, 1)]
            return [], [bar, seat, hood, *wheels]
        case "umbrella":
            top = y - 1.14 * h
            stick = Part(x + f * 0.06 * h, y - 0.55 * h, 0.012 * h, x + f * 0.03 * h, top, 0.012 * h, METAL)
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
