"""What an objective has to see of a video at a time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """A row of frames, or two views of one.

    Attributes:
        num_frames: in a row, at equal distances.
        views: two views of one frame instead, differently augmented. Objects are numbered from 1 in each frame, alike
            in both views: no identity label is read.
    """

    num_frames: int = 2
    views: bool = False
