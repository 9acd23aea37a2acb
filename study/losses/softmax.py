"""`softmax`: cross entropy over background and object, on the objects and a share of the background."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, masked_mean
from study.losses.classification import right_side


class Config(TaskLossConfig):
    """How many places of the background count for each with an object, and which.

    `hardest`: those with the largest losses. `all`: every one a little, as a random choice amounts to; on the
    map of `center`, where the hardest are the cells beside an object, only that finds objects (docs/decisions.md).
    """

    num_frames: ClassVar[int] = 1

    name: str = "softmax"
    background: PositiveFloat = 3.0
    mining: Literal["hardest", "all"] = "hardest"

    def build(self) -> "SoftmaxCrossEntropy":
        """Make the task loss."""
        return SoftmaxCrossEntropy(self)


class SoftmaxCrossEntropy(TaskLoss):
    """Softmax cross entropy of two classes, averaged over the places that count.

    Faster R-CNN's and Track R-CNN's classification, with the choice of background of Liu et al. 2016 ("SSD", section
    2.2, hard negative mining) or the mean of their random one. The trackers give one logit a place, that of an object;
    the background's is 0, which loses nothing: a softmax sees differences only.
    """

    needs: ClassVar[tuple[str, ...]] = ("cls",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.background, self.mining = config.background, config.mining

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]. Without objects, an image teaches as much background as with one."""
        logits, wanted = predictions["cls"], targets["cls"]
        classes = torch.stack([torch.zeros_like(logits), logits], dim=1)  # [B, 2, A]
        losses = F.cross_entropy(classes, wanted.clamp(min=0), reduction="none")
        objects, empty = wanted == 1, wanted == 0
        if self.mining == "all":
            found, nothing = masked_mean(losses, objects), masked_mean(losses, empty)
            present = objects.any(dim=1)
            return (present * found + self.background * nothing) / (present + self.background)
        quota = (self.background * objects.sum(dim=1, keepdim=True).clamp(min=1)).round()
        hardest = losses.detach().masked_fill(~empty, -1).argsort(dim=1, descending=True).argsort(dim=1)
        taken = objects | (empty & (hardest < quota))
        return masked_mean(losses, taken)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability of the right side; see `study.losses.classification.right_side`."""
        return right_side(predictions["cls"], targets["cls"])
