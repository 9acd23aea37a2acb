"""`dmotp`: how far the tracker's own tracks are from the objects that they are matched with."""

from collections.abc import Mapping

import torch
from torch import Tensor

from study.losses.base import masked_mean
from study.losses.own_tracks import OwnTracksConfig, OwnTracksLoss


class Config(OwnTracksConfig):
    """Which assignment; see `study.losses.own_tracks`."""

    name: str = "dmotp"

    def build(self) -> "DifferentiableMotp":
        """Make the task loss."""
        return DifferentiableMotp(self)


class DifferentiableMotp(OwnTracksLoss):
    """1 - dMOTP: the mean distance (`study.losses.assignment.distances`) of matched tracks and objects.

    Xu et al. 2020 ("DeepMOT"), section 4.2. MOTP itself is the mean overlap alone.
    """

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without matches."""
        distance, matched = self._matches(predictions, targets)
        return masked_mean(distance, matched)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """1 - distance, over all matches; one group."""
        distance, matched = self._matches(predictions, targets)
        return (1 - distance)[matched].sum()[None], matched.sum()[None]

    def _matches(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Distances and whether they are of matches, each [B, F x K x N]."""
        frames = self.frames(predictions, targets)
        distance = torch.stack([distance for distance, _ in frames], dim=1)
        matched = torch.stack([counts.matched for _, counts in frames], dim=1)
        return distance.flatten(1), matched.flatten(1)
