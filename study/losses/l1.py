"""`l1`: absolute differences of sizes, offsets or boxes; with `beta`, smooth L1."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image


class Config(TaskLossConfig):
    """What is compared (`on`), and the difference below which its square is taken instead (`beta`; 0: nowhere)."""

    num_frames: ClassVar[int] = 1

    name: str = "l1"
    on: Literal["boxes", "size", "offset"] = "boxes"
    beta: Annotated[float, Field(ge=0)] = 0.0

    def build(self) -> "AbsoluteDifference":
        """Make the task loss."""
        return AbsoluteDifference(self)


class AbsoluteDifference(TaskLoss):
    """Mean absolute difference of the coordinates of an object, averaged over the objects of an image.

    `size` and `offset` (of a centre to its cell) are in cells of the map, as CenterNet and FairMOT have them (Zhang et
    al. 2021, equation 2). `boxes` are centre, width and height as shares of the image's size, as DETR has them (Carion
    et al. 2020, equation 9), and TransTrack and DiffusionTrack after it; deviation: averaged over the four, not summed.
    With `beta` it is smooth L1 (`torch.nn.functional.smooth_l1_loss`; Girshick 2015, equation 3).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.on, self.beta = config.on, config.beta

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The prediction that is compared."""
        return (self.on,)

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without objects."""
        found = predictions[self.on]
        wanted = targets[self.on][:, : found.shape[1]]
        if self.on == "boxes":
            found, wanted = (_shares(boxes, targets["image_size"]) for boxes in (found, wanted))
        present = targets["present"][:, : found.shape[1]]
        losses = F.smooth_l1_loss(found, wanted, beta=self.beta, reduction="none").mean(-1)
        return per_image(losses.where(present, 0), present)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """1 / (1 + difference), the mean over images with objects; one group."""
        found = self.forward(predictions, targets)
        known = targets["present"][:, : predictions[self.on].shape[1]].flatten(1).any(dim=1)
        return (known / (1 + found)).sum()[None], known.sum()[None]


def _shares(boxes_xyxy: Tensor, image_size: Tensor) -> Tensor:
    """Centre, width and height as shares of the image's width and height."""
    lower, upper = boxes_xyxy[..., :2] / image_size, boxes_xyxy[..., 2:] / image_size
    return torch.cat([(lower + upper) / 2, upper - lower], dim=-1)
