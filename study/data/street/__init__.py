"""The synthetic street behind `study.data.synthetic`: people, things, scenery, and the frames of a sequence.

From here: `Street`, which yields frames with annotations, and `Difficulty`, which says what it draws.
Only operations that IEEE 754 rounds exactly are used (+, -, x, /, sqrt, floor): equal seeds, equal pixels, anywhere.
"""

from study.data.street.frames import Difficulty, Frame, Row, Street

__all__ = ["Difficulty", "Frame", "Row", "Street"]
