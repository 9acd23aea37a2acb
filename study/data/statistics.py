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
    """

    widths: np.ndarray
    heights: np.ndarray


def box_statistics(clips: Iterable[Clip], image_size: tuple[int, int], min_visibility: float) -> BoxStatistics:
    """Sizes of the evaluated boxes whose visibility is above `min_visibility`.

    Args:
        clips: of the training split.
        image_size: width, height in pixels to which whole images are resized.
        min_visibility: 0-1.

    Raises:
        UserError: no box is left.
    """
    sizes = [np.empty((0, 2))]
    for clip in clips:
        truth = clip.ground_truth
        boxes_xyxy = truth.boxes_xyxy[truth.evaluated & (truth.visibility > min_visibility)]
        scale = np.array(image_size) / np.array(clip.sequence.image_size)
        sizes.append((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * scale)
    widths, heights = np.concatenate(sizes).T
    if widths.size == 0:
        raise UserError(f"data.min_visibility: no training box has a visibility above {min_visibility}; lower it")
    return BoxStatistics(widths, heights)
