"""`my_tracking.giou`: generalised IoU between the boxes that are predicted and those that are there."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from study.config import TaskLossConfig
from study.losses import TaskLoss
from study.losses.base import per_image
from study.offsets import decode


class Config(TaskLossConfig):
    """Has no settings but its name in the objective."""

    name: str = "giou"

    def build(self) -> "GeneralizedIou":
        """Make the task loss."""
        return GeneralizedIou()


class GeneralizedIou(TaskLoss):
    """1 - GIoU of the boxes in the first frame (Rezatofighi et al. 2019), averaged over the positive anchors."""

    needs: ClassVar[tuple[str, ...]] = ("reg",)

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without boxes."""
        anchors = predictions["anchors"]
        found, there = (decode(side["reg"][..., :4], anchors) for side in (predictions, targets))
        positive = targets["cls"] == 1
        return per_image(generalized_box_iou_loss(found, there) * positive, positive)
