"""Parts of a body. Lengths are fractions of the person's height `h`."""

from study.data.street.drawing import Part, disc, shade, wave
from study.data.street.looks import Look, Pose


def leg(look: Look, pose: Pose, side: int, hip_y: float, swing: float) -> list[Part]:
    """Calf, thigh and shoe of one leg; `side` is 1 for the near one, -1 for the far one, `swing` -1 to 1."""
    x, y, h, f = pose.x, pose.y, pose.h, pose.facing
    front = 1 - pose.lateral
    hip_x = x + side * (0.035 + 0.04 * front) * h * look.build
    foot_x = hip_x + f * swing * look.stride * pose.lateral * h + side * 0.02 * h * front
    lift = 0.05 * h * pose.moving * max(0.0, wave(pose.phase + (0.25 if side > 0 else 0.75)))
    foot_y = y - 0.025 * h - lift
    knee_x, knee_y = (hip_x + foot_x) / 2 + f * 0.03 * h * pose.lateral * pose.moving, (hip_y + foot_y) / 2
    colour = shade(look.bottom, 1.0 if side > 0 else 0.78)
    calf = look.skin if look.coat > 0.2 else colour
    thick = 0.06 * h * look.build
    toe = foot_x + f * 0.06 * h * pose.lateral
    return [
        Part(knee_x, knee_y, 0.75 * thick, foot_x, foot_y, 0.5 * thick, calf),
        Part(hip_x, hip_y, thick, knee_x, knee_y, 0.75 * thick, colour),
        Part(foot_x, foot_y, 0.026 * h, toe, foot_y, 0.022 * h, (34, 30, 30), 1.2),
    ]


def torso(look: Look, x: float, hip_y: float, shoulder_y: float, h: float, front: float) -> list[Part]:
    """Trunk from shoulders to hip, and the coat or skirt below it; `front` is 1 for a person seen from the front."""
    stretch = 1.35 + 0.3 * front
    parts = []
    if look.coat:
        hem = hip_y + look.coat * h
        parts.append(Part(x, hip_y, 0.085 * h * look.build, x, hem, 0.1 * h * look.build, look.top, stretch))
    period = (0.14 if look.pattern == "two_tone" else 0.075) * h
    upper, lower = 0.085 * h * look.build, 0.078 * h * look.build
    trunk = Part(x, shoulder_y, upper, x, hip_y, lower, look.top, stretch)
    parts.append(trunk._replace(pattern=look.pattern, second=look.second, period=period))
    return parts


def arm(look: Look, pose: Pose, side: int, swing: float) -> list[Part]:
    """Upper arm, forearm and hand of one side; the near arm (side 1) may reach out."""
    h, f = pose.h, pose.facing
    x = pose.x + side * (0.05 + 0.08 * (1 - pose.lateral)) * h * look.build
    y = pose.y - 0.77 * h
    reach = pose.reach if side > 0 else 0.0
    outwards = f if pose.lateral > 0.5 else side
    hand_x = x + f * swing * 0.13 * h * pose.lateral + side * 0.03 * h * (1 - pose.lateral) + outwards * 0.3 * h * reach
    hand_y = y + 0.33 * h - 0.03 * h * abs(swing) - 0.3 * h * reach
    elbow_x, elbow_y = (x + hand_x) / 2 - f * 0.02 * h * pose.lateral, (y + hand_y) / 2 + 0.02 * h
    sleeve = shade(look.second if look.pattern == "two_tone" else look.top, 0.86)
    return [
        Part(x, y, 0.036 * h * look.build, elbow_x, elbow_y, 0.03 * h * look.build, sleeve),
        Part(elbow_x, elbow_y, 0.03 * h * look.build, hand_x, hand_y, 0.024 * h * look.build, sleeve),
        disc(hand_x, hand_y, 0.024 * h, look.skin),
    ]


def head(look: Look, x: float, top: float, pose: Pose) -> list[Part]:
    """Neck, hair, face and hat; `top` is the row of the crown."""
    r, f, lateral = look.head * pose.h, pose.facing, pose.lateral
    y = top + r
    neck = Part(x, y, 0.5 * r, x, y + 1.4 * r, 0.5 * r, shade(look.skin, 0.85))
    hair = disc(x - f * 0.2 * r * lateral, y - 0.1 * r, r, look.hair, 0.92)
    shown = 0.75 if pose.towards or lateral > 0.5 else 0.0
    face = [disc(x + f * 0.28 * r * lateral, y + 0.22 * r, shown * r, look.skin, 0.9)] if shown else []
    hat = [Part(x, y - 0.45 * r, 0.6 * r, x + f * 0.6 * r * lateral, y - 0.4 * r, 0.45 * r, look.second, 1.5)]
    return [neck, hair, *face, *(hat if look.hat else [])]
