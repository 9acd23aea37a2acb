"""`dmota`: soft MOTA of the tracker's own tracks over the frames of a sample."""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from study.losses.assignment import switches
from study.losses.own_tracks import OwnTracksConfig, OwnTracksLoss


class Config(OwnTracksConfig):
    """Weight of a switch against a miss, and whether switches are counted as the paper's public code does."""

    name: str = "dmota"
    switch: Annotated[float, Field(ge=0)] = 2.0
    published_switches: bool = False

    def build(self) -> "DifferentiableMota":
        """Make the task loss."""
        return DifferentiableMota(self)

    def identities(self) -> Literal["labels"]:
        """From labels: switches are of identities."""
        return "labels"


class DifferentiableMota(OwnTracksLoss):
    """1 - dMOTA = (soft false positives + soft misses + switch x soft switches) / objects.

    Xu et al. 2020 ("DeepMOT"), section 4.2. With hard assignments, and a switch weighing 1, it is 1 - MOTA of the
    sample's frames. Gradients reach the network through the tracks' boxes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.switch, self.published = config.switch, config.published_switches

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; the tracks themselves, per one, where there are no objects."""
        frames = [counts for _, counts in self.frames(predictions, targets)]
        mistakes = sum(counts.false_positives + counts.misses for counts in frames)
        mistakes = mistakes + self.switch * switches(frames, as_published=self.published)
        objects = targets["present"][:, : len(frames)].flatten(1).sum(1).clamp(min=1)
        return mistakes / objects + 0 * predictions["detections"].flatten(1).sum(1)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """1 / (1 + loss), the mean over images with objects; one group."""
        known = targets["present"].flatten(1).any(dim=1)
        return (known / (1 + self.forward(predictions, targets))).sum()[None], known.sum()[None]
