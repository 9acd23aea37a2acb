"""`contrastive`: embeddings of one object are pulled together, those of two are pushed apart up to a margin."""

from collections.abc import Mapping

import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.losses.base import masked_mean
from study.losses.embeddings import EmbeddingConfig, EmbeddingLoss, compare


class Config(EmbeddingConfig):
    """Distance up to which different objects are pushed apart; embeddings have length 1."""

    name: str = "contrastive"
    margin: PositiveFloat = 1.0

    def build(self) -> "Contrastive":
        """Make the task loss."""
        return Contrastive(self)


class Contrastive(EmbeddingLoss):
    """1/2 d^2 of one object's embeddings, 1/2 max(margin - d, 0)^2 of two objects'; the two means are added.

    Hadsell et al. 2006, "Dimensionality Reduction by Learning an Invariant Mapping", equation 4. Deviation: pairs of
    one object and of two are averaged apart, since there are far more of the latter.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.margin = config.margin

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image with one object, or none."""
        found = compare(predictions, targets)
        distances = found.distances()
        pulls, pushes = distances**2 / 2, F.relu(self.margin - distances) ** 2 / 2
        means = [
            masked_mean(losses, pairs, dim=2) for losses, pairs in ((pulls, found.positive), (pushes, found.negative))
        ]
        return masked_mean(means[0] + means[1], found.anchors)
