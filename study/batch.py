"""A batch of training pairs: what `study.data` makes and a tracker takes."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class PairBatch:
    """Pairs of frames of the same sequence, in either order of time.

    The tracker detects in the first frame and says where the same objects are in the second.

    Attributes:
        first_images: float32 [B, 3, H, W], 0-1.
        second_images: float32 [B, 3, H, W], 0-1.
        first: ground truth of the first frames.
        second: ground truth of the second frames.
    """

    first_images: Tensor
    second_images: Tensor
    first: FrameTargets
    second: FrameTargets

    def __len__(self) -> int:
        return len(self.first_images)
