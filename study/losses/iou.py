"""`iou`: how little predicted boxes overlap those to reach."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image


class Config(TaskLossConfig):
    """No settings but the name."""

    num_frames: ClassVar[int] = 1

    name: str = "iou"

    def build(self) -> "IntersectionOverUnion":
        """Make the task loss."""
        return IntersectionOverUnion()


class IntersectionOverUnion(TaskLoss):
    """1 - IoU, averaged over the objects of an image.

    Yu et al. 2016 ("UnitBox") take -log IoU, which is infinite where boxes do not meet; 1 - IoU is the bounded form of
    Rezatofighi et al. 2019 ("Generalized Intersection over Union", algorithm 2). Boxes that do not meet have no
    gradient: `giou` is the one that begins from anywhere.
    """

    needs: ClassVar[tuple[str, ...]] = ("boxes",)

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without objects."""
        overlaps, present = overlaps_of_pairs(predictions, targets)
        return per_image((1 - overlaps).where(present, 0), present)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """IoU, over all objects; one group."""
        overlaps, present = overlaps_of_pairs(predictions, targets)
        return overlaps[present].sum()[None], present.sum()[None]


def overlaps_of_pairs(predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """IoU of each predicted box with its own target, and which of them count, both [B, F, N].

    A prediction of less than no size, as a network may make, has no area.
    """
    found = predictions["boxes"]
    wanted, present = targets["boxes"][:, : found.shape[1]], targets["present"][:, : found.shape[1]]
    return overlap(found, wanted), present


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """IoU of boxes xyxy [..., 4] with others, shapes broadcast, [...]; 0 where a box has no area."""
    lower, upper = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    shared = (upper - lower).clamp(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1) for boxes in (one, other)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-6)
