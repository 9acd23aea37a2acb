"""Statistics of the training split from which a tracker makes its anchors."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from study.data.clips import Clip
from study.errors import UserError


@dataclass(frozen=True)
class BoxStatistics:
    """Sizes of the boxes a tracker is trained on, in pixels of the resized images.

    Attributes:
        widths: float64 [N].
        heights: float64 [N].
        num_identities: different objects that the boxes are of.
    """

    widths: np.ndarray
    heights: np.ndarray
    num_identities: int


class Identities:
    """Numbers of objects, from 1: those of the training split first, then others in the order in which they are met.

    An object is known by its sequence and its number there: parts of one sequence share their objects.

    Args:
        clips: of the training split.
        min_visibility: of boxes that count.
    """

    def __init__(self, clips: Iterable[Clip], min_visibility: float) -> None:
        self.min_visibility = min_visibility
        self._numbers: dict[tuple[str, int], int] = {}
        for clip in clips:
            self.of(clip)

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, clip: Clip) -> np.ndarray:
        """Numbers of the objects of a clip's training boxes (`training_boxes`), int64 [N]; > 0."""
        own = clip.ground_truth.ids[training_boxes(clip, self.min_visibility)]
        known, inverse = np.unique(own, return_inverse=True)
        name = clip.sequence.name
        numbers = [self._numbers.setdefault((name, int(number)), len(self._numbers) + 1) for number in known]
        return np.array(numbers, dtype=np.int64)[inverse]


def recurs(clips: Iterable[Clip], min_visibility: float) -> bool:
    """Whether any object of these clips has training boxes in more than one frame of a clip."""
    for clip in clips:
        _, frames = np.unique(clip.ground_truth.ids[training_boxes(clip, min_visibility)], return_counts=True)
        if (frames > 1).any():
            return True
    return False


def training_boxes(clip: Clip, min_visibility: float) -> np.ndarray:
    """Which rows of a clip's ground truth a tracker learns from: evaluated objects visible enough; bool [rows]."""
    truth = clip.ground_truth
    return truth.evaluated & (truth.visibility > min_visibility)


def box_statistics(clips: Iterable[Clip], image_size: tuple[int, int], min_visibility: float) -> BoxStatistics:
    """Sizes of the evaluated boxes whose visibility is above `min_visibility`.

    Args:
        clips: of the training split.
        image_size: width, height in pixels to which whole images are resized.
        min_visibility: 0-1.

    Raises:
        UserError: no box is left.
    """
    clips = list(clips)
    sizes = [np.empty((0, 2))]
    for clip in clips:
        boxes_xyxy = clip.ground_truth.boxes_xyxy[training_boxes(clip, min_visibility)]
        scale = np.array(image_size) / np.array(clip.sequence.image_size)
        sizes.append((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * scale)
    widths, heights = np.concatenate(sizes).T
    if widths.size == 0:
        raise UserError(f"data.min_visibility: no training box has a visibility above {min_visibility}; lower it")
    return BoxStatistics(widths, heights, len(Identities(clips, min_visibility)))
