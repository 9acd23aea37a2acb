"""`temporal`: predicted boxes of an object change steadily over three frames in a row."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, per_image


class Config(TaskLossConfig):
    """What has to be steady: the boxes as predicted, or how far they are off (a true change is not punished then)."""

    num_frames: ClassVar[int] = 3

    name: str = "temporal"
    of: Literal["boxes", "errors"] = "boxes"

    def build(self) -> "TemporalConsistency":
        """Make the task loss."""
        return TemporalConsistency(self)

    def identities(self) -> Literal["labels"]:
        """From labels: it follows objects over frames."""
        return "labels"


class TemporalConsistency(TaskLoss):
    """Mean |x_1 - 2 x_2 + x_3| of an object's centre, by its true size, and of the logarithms of its sizes.

    "Object Tracking: Loss Functions", core loss 3, which penalises abrupt changes of position and size and gives no
    formula: an abrupt change is a change of velocity, so that steady motion costs nothing.
    """

    needs: ClassVar[tuple[str, ...]] = ("boxes", "third_frame")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.of = config.of

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without an object in all three frames."""
        present = targets["present"][:, :3].all(dim=1)
        changes = self._change(predictions["boxes"], targets)
        if self.of == "errors":
            changes = changes - self._change(targets["boxes"], targets)
        return per_image(changes.abs().mean(-1).where(present, 0), present)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """1 / (1 + loss), the mean over images with an object to follow; one group."""
        known = targets["present"][:, :3].all(dim=1).any(dim=1)
        return (known / (1 + self.forward(predictions, targets))).sum()[None], known.sum()[None]

    @staticmethod
    def _change(boxes_xyxy: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Second differences [B, N, 4] of centres, in true sizes, and of the logarithms of sizes."""
        true = targets["boxes"][:, 1]
        scale = (true[..., 2:] - true[..., :2]).clamp(min=1)
        centres = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2
        sizes = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=1).log()
        first, second, third = torch.cat([centres / scale[:, None], sizes], dim=-1)[:, :3].unbind(1)
        return first - 2 * second + third
