"""`softmax`: cross entropy over background and object, on the objects and the hardest of the background."""

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss
from study.losses.classification import right_side


class Config(TaskLossConfig):
    """How many places of the background are taken for each with an object."""

    num_frames: ClassVar[int] = 1

    name: str = "softmax"
    background: PositiveFloat = 3.0

    def build(self) -> "SoftmaxCrossEntropy":
        """Make the task loss."""
        return SoftmaxCrossEntropy(self)


class SoftmaxCrossEntropy(TaskLoss):
    """Softmax cross entropy of two classes, averaged over the places that are taken.

    Faster R-CNN's and Track R-CNN's classification, with the choice of background of Liu et al. 2016 ("SSD", section
    2.2, hard negative mining) instead of a random one. The trackers give one logit a place, that of an object; the
    background's is 0, which loses nothing: a softmax sees differences only.
    """

    needs: ClassVar[tuple[str, ...]] = ("cls",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.background = config.background

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]. Without objects, an image teaches as much background as with one."""
        logits, wanted = predictions["cls"], targets["cls"]
        classes = torch.stack([torch.zeros_like(logits), logits], dim=1)  # [B, 2, A]
        losses = F.cross_entropy(classes, wanted.clamp(min=0), reduction="none")
        objects, empty = wanted == 1, wanted == 0
        quota = (self.background * objects.sum(dim=1, keepdim=True).clamp(min=1)).round()
        hardest = losses.detach().masked_fill(~empty, -1).argsort(dim=1, descending=True).argsort(dim=1)
        taken = objects | (empty & (hardest < quota))
        return losses.where(taken, 0).sum(dim=1) / taken.sum(dim=1).clamp(min=1)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability of the right side; see `study.losses.classification.right_side`."""
        return right_side(predictions["cls"], targets["cls"])
