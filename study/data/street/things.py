"""Things of a synthetic street as parts to draw: what stands before people, and what looks like them from afar."""

from collections.abc import Sequence

from study.data.street.drawing import Colour, Part, disc, shade, slab


def pole(x: float, y: float, m: float, colour: Colour) -> list[Part]:
    """A lamp post of 4.5 m, `m` pixels a metre."""
    return [slab(x, y - 2.25 * m, 0.08 * m, 2.25 * m, colour), slab(x, y - 0.25 * m, 0.15 * m, 0.25 * m, colour)]


def litter_bin(x: float, y: float, m: float, colour: Colour) -> list[Part]:
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
