"""Selections such as `MOT17-09[1-240]`, and the clips of sequences that they name."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from study.data.motchallenge import Sequence
from study.errors import UserError
from study.motfile import GroundTruth

_SELECTION = re.compile(r"(?P<name>[^\[\]/]+)(?:\[(?P<first>[0-9]{0,9})-(?P<last>[0-9]{0,9})\])?")


@dataclass(frozen=True)
class Selection:
    """A sequence's name and an inclusive, 1-based range of its frames; `last` None means up to its end."""

    name: str
    first: int = 1
    last: int | None = None


def parse_selection(text: str) -> Selection:
    """Parse `NAME`, `NAME[FIRST-LAST]`, `NAME[FIRST-]` or `NAME[-LAST]`.

    Raises:
        UserError: another form, or a range that holds no frame.
    """
    match = _SELECTION.fullmatch(text.strip())
    if match is None or match["first"] == match["last"] == "":
        raise UserError(f"selection {text!r}: expected NAME, NAME[FIRST-LAST], NAME[FIRST-] or NAME[-LAST]")
    first, last = int(match["first"] or 1), int(match["last"]) if match["last"] else None
    if first < 1 or (last is not None and last < first):
        raise UserError(f"selection {text!r}: expected 1 <= FIRST <= LAST: frames count from 1 and both ends belong")
    return Selection(match["name"].strip(), first, last)


@dataclass(frozen=True)
class Clip:
    """Frames `first` to `last` (1-based, inclusive) of a sequence. Within a clip, frames are numbered from 1 again."""

    sequence: Sequence
    first: int
    last: int

    @property
    def name(self) -> str:
        """The selection that gives this clip: `MOT17-09[271-390]`; a whole sequence's name alone."""
        if self.num_frames == self.sequence.num_frames:
            return self.sequence.name
        return f"{self.sequence.name}[{self.first}-{self.last}]"

    @property
    def num_frames(self) -> int:
        """Length of the clip."""
        return self.last - self.first + 1

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """The clip's images, in order."""
        return self.sequence.image_paths[self.first - 1 : self.last]

    @property
    def image_digests(self) -> tuple[bytes, ...]:
        """SHA-256 of the clip's image files, in order."""
        return self.sequence.image_digests[self.first - 1 : self.last]

    @cached_property
    def ground_truth(self) -> GroundTruth:
        """Ground truth of the clip, in pixels of the original images.

        Raises:
            UserError: the sequence has none.
        """
        return self.sequence.require_ground_truth().restricted(self.first, self.last)
