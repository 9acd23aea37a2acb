"""A batch of training frames: what `study.data` makes and a tracker takes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class FrameTargets:
    """Ground truth of one frame of every pair, padded to the largest number of boxes N.

    Attributes:
        boxes_xyxy: float32 [B, N, 4], pixels of the network's input.
        ids: int64 [B, N]; 0 marks padding.
    """

    boxes_xyxy: Tensor
    ids: Tensor


def join(first: FrameTargets, second: FrameTargets) -> FrameTargets:
    """Targets of two batches as one, padded alike."""
    missing = first.ids.shape[1] - second.ids.shape[1]
    first, second = _padded(first, -missing), _padded(second, missing)
    return FrameTargets(torch.cat([first.boxes_xyxy, second.boxes_xyxy]), torch.cat([first.ids, second.ids]))


def _padded(targets: FrameTargets, count: int) -> FrameTargets:
    """Targets with `count` more places; unchanged if that is not positive."""
    if count <= 0:
        return targets
    boxes = F.pad(targets.boxes_xyxy, (0, 0, 0, count))
    boxes[:, -count:, 2:] = 1  # padding has a size, so that its (unused) offsets stay finite
    return FrameTargets(boxes, F.pad(targets.ids, (0, count)))


@dataclass(frozen=True)
class FrameBatch:
    """F frames of the same sequence in a row, in either order of time, or F views of one frame; of B places.

    A tracker detects in the first frame and says where the same objects are in the others.

    Attributes:
        images: float32 [B, F, 3, H, W], 0-1.
        targets: ground truth of each of the F frames.
    """

    images: Tensor
    targets: tuple[FrameTargets, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def first_images(self) -> Tensor:
        """[B, 3, H, W]."""
        return self.images[:, 0]

    @property
    def second_images(self) -> Tensor:
        """[B, 3, H, W]."""
        return self.images[:, 1]

    @property
    def first(self) -> FrameTargets:
        """Ground truth of the first frames."""
        return self.targets[0]

    @property
    def second(self) -> FrameTargets:
        """Ground truth of the second frames."""
        return self.targets[1]
