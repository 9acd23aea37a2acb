"""`cls`: focal loss of "is there an object of the first frame at this anchor?"."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image


class Config(TaskLossConfig):
    """Focal loss coefficients (Lin et al. 2017, section 3.2)."""

    name: str = "cls"
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.25
    gamma: Annotated[float, Field(ge=0)] = 2.0

    def build(self) -> "Classification":
        """Make the task loss."""
        return Classification(self)


class Classification(TaskLoss):
    """Focal loss summed over anchors, divided by the number of positive anchors.

    "Balancing Multiple Object Tracking Objectives based on Learned Weighting Factors", eq. 1-3, with the normaliser of
    the chained tracker's public implementation: eq. 1 divides by positives and negatives instead, which makes the loss
    depend on the image size.
    """

    needs: ClassVar[tuple[str, ...]] = ("cls",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.alpha, self.gamma = config.alpha, config.gamma

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]. An image without boxes teaches its negatives."""
        return focal(predictions["cls"], targets["cls"], self.alpha, self.gamma)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability of the right side; see `right_side`."""
        return right_side(predictions["cls"], targets["cls"])


def right_side(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probability given to the right side: sums [2] and counts [2], of positive and of negative anchors.

    The sides are averaged apart, since nearly all anchors are background.
    """
    positive, negative = targets == 1, targets == 0
    probabilities = logits.sigmoid()
    sums = torch.stack([(probabilities * positive).sum(), ((1 - probabilities) * negative).sum()])
    return sums, torch.stack([positive.sum(), negative.sum()])


def focal(logits: Tensor, targets: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss of every image, shape [B]; `targets` int64 [B, A] with -1 ignored."""
    losses = sigmoid_focal_loss(logits, targets.clamp(min=0).to(logits.dtype), alpha, gamma)
    return per_image(losses * (targets >= 0), targets == 1)
