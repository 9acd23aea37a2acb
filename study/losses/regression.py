"""`reg`: smooth L1 on the offsets of an object's boxes in both frames."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image
from study.offsets import decode


class Config(TaskLossConfig):
    """Smooth L1; `coordinates` says whether the eight offsets of an object are averaged or summed."""

    name: str = "reg"
    beta: PositiveFloat = 1 / 9
    coordinates: Literal["mean", "sum"] = "mean"

    def build(self) -> "Regression":
        """Make the task loss."""
        return Regression(self)


class Regression(TaskLoss):
    """Smooth L1 over the offsets of positive anchors, divided by their number.

    "Balancing Multiple Object Tracking Objectives based on Learned Weighting Factors", eq. 4, sums four coordinates of
    one box (`coordinates="sum"` with the eight of two boxes); the chained tracker's public implementation averages over
    all eight, absent second boxes counting as zero (`"mean"`, the default).
    """

    needs: ClassVar[tuple[str, ...]] = ("reg",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.beta = config.beta
        self.scale = 1 / 8 if config.coordinates == "mean" else 1.0

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without boxes."""
        losses = F.smooth_l1_loss(predictions["reg"], targets["reg"], beta=self.beta, reduction="none")
        return self.scale * per_image(losses * targets["reg_mask"], targets["cls"] == 1)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """IoU of decoded boxes with those to reach, over all boxes of positive anchors; one group."""
        image, anchor, side = targets["reg_mask"].unflatten(-1, (2, 4))[..., 0].nonzero(as_tuple=True)  # few of all
        found, wanted = (
            decode(offsets.unflatten(-1, (2, 4))[image, anchor, side], predictions["anchors"][anchor])
            for offsets in (predictions["reg"], targets["reg"])
        )
        lower, upper = torch.maximum(found[:, :2], wanted[:, :2]), torch.minimum(found[:, 2:], wanted[:, 2:])
        shared = (upper - lower).clamp(min=0).prod(-1)
        areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (found, wanted)]
        overlaps = shared / (areas[0] + areas[1] - shared)
        return overlaps.sum()[None], torch.tensor([len(overlaps)], device=overlaps.device)
