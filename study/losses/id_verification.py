"""`reid`: focal loss of "does this anchor hold the same identity in both frames?" (ID verification)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss
from study.losses.classification import focal, right_side


class Config(TaskLossConfig):
    """Focal loss coefficients."""

    name: str = "reid"
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.25
    gamma: Annotated[float, Field(ge=0)] = 2.0

    def build(self) -> "IdVerification":
        """Make the task loss."""
        return IdVerification(self)


class IdVerification(TaskLoss):
    """Focal loss divided by the number of positive anchors ("Balancing Multiple Object Tracking Objectives based on
    Learned Weighting Factors", eq. 6). Targets are 1 only where both frames' anchors match and the identities agree.
    """

    needs: ClassVar[tuple[str, ...]] = ("reid",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.alpha, self.gamma = config.alpha, config.gamma

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]."""
        return focal(predictions["reid"], targets["reid"], self.alpha, self.gamma)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability of the right side; see `right_side`."""
        return right_side(predictions["reid"], targets["reid"])
