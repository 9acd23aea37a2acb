"""`logistic`: binary cross entropy of "is there an object here?"."""

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, masked_mean
from study.losses.classification import right_side


class Config(TaskLossConfig):
    """`balance`: places with and without an object are averaged apart; else all of them together."""

    num_frames: ClassVar[int] = 1

    name: str = "logistic"
    balance: bool = True

    def build(self) -> "Logistic":
        """Make the task loss."""
        return Logistic(self)


class Logistic(TaskLoss):
    """-y log p - (1 - y) log(1 - p), averaged over the places of an image (anchors, or cells of a map).

    The loss that SiamFC (Bertinetto et al. 2016, equation 1, balanced) puts on its response map, and that DiMP is
    listed with. DiMP itself learns a model predictor with a hinged residual, which is not this.
    """

    needs: ClassVar[tuple[str, ...]] = ("cls",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.balance = config.balance

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]. An image without objects teaches its background."""
        wanted = targets["cls"]
        losses = F.binary_cross_entropy_with_logits(
            predictions["cls"], wanted.clamp(min=0).to(predictions["cls"].dtype), reduction="none"
        )
        sides = [wanted == 1, wanted == 0] if self.balance else [wanted >= 0]
        means = [masked_mean(losses, side) for side in sides]
        return torch.stack(means).mean(dim=0)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability of the right side; see `study.losses.classification.right_side`."""
        return right_side(predictions["cls"], targets["cls"])
