"""`giou`: generalised IoU of predicted boxes and those to reach."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image
from study.losses.iou import overlaps_of_pairs


class Config(TaskLossConfig):
    """No settings but the name."""

    num_frames: ClassVar[int] = 1

    name: str = "giou"

    def build(self) -> "GeneralizedIntersectionOverUnion":
        """Make the task loss."""
        return GeneralizedIntersectionOverUnion()


class GeneralizedIntersectionOverUnion(TaskLoss):
    """1 - GIoU (torchvision's), 0 to 2, averaged over the objects of an image.

    Rezatofighi et al. 2019, "Generalized Intersection over Union", algorithm 1: IoU less the share of the smallest box
    around both that neither fills. It has a gradient wherever the boxes lie.
    """

    needs: ClassVar[tuple[str, ...]] = ("boxes",)

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without objects."""
        found = predictions["boxes"]
        wanted, present = targets["boxes"][:, : found.shape[1]], targets["present"][:, : found.shape[1]]
        # A width or height below 0 would turn the area's sign; it has none instead.
        ordered = torch.cat([found[..., :2], torch.maximum(found[..., 2:], found[..., :2])], dim=-1)
        losses = generalized_box_iou_loss(ordered, wanted, reduction="none")
        return per_image(losses.where(present, 0), present)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """IoU, over all objects; one group."""
        overlaps, present = overlaps_of_pairs(predictions, targets)
        return overlaps[present].sum()[None], present.sum()[None]
