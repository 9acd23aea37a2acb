"""`heatmap`: focal loss of the map of object centres."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image


class Config(TaskLossConfig):
    """Exponents: `alpha` of the probability given to the wrong side, `beta` of the distance from a centre."""

    num_frames: ClassVar[int] = 1

    name: str = "heatmap"
    alpha: Annotated[float, Field(ge=0)] = 2.0
    beta: Annotated[float, Field(ge=0)] = 4.0

    def build(self) -> "Heatmap":
        """Make the task loss."""
        return Heatmap(self)


class Heatmap(TaskLoss):
    """Penalty-reduced focal loss, divided by the number of objects.

    Law and Deng 2018, "CornerNet", equation 1; CL-MOT, section 3: -1/N sum (1 - h)^alpha log h where the target H is 1,
    (1 - H)^beta h^alpha log(1 - h) elsewhere. Deviation: logarithms are those of the sigmoid's own (`logsigmoid`),
    where public code clamps probabilities and so loses the gradient of saturated ones.
    """

    needs: ClassVar[tuple[str, ...]] = ("heatmap",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.alpha, self.beta = config.alpha, config.beta

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]. An image without objects teaches its background."""
        logits, wanted = predictions["heatmap"], targets["heatmap"]
        probability = logits.sigmoid()
        centre = wanted == 1
        missed = (1 - probability) ** self.alpha * F.logsigmoid(logits)
        found = (1 - wanted) ** self.beta * probability**self.alpha * F.logsigmoid(-logits)
        return per_image(-torch.where(centre, missed, found), centre)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability given to the right side: sums [2] and counts [2], of centres, and of cells weighed by 1 - H."""
        probability, wanted = predictions["heatmap"].sigmoid(), targets["heatmap"]
        centre, far = wanted == 1, (1 - wanted) ** self.beta
        sums = torch.stack([(probability * centre).sum(), ((1 - probability) * far).sum()])
        return sums, torch.stack([centre.sum(), far.sum()])
