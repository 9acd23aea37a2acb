"""`contrastive`: embeddings of one object are pulled together, those of two are pushed apart up to a margin."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss
from study.losses.embeddings import compare, mean_of_anchors, retrieval


class Config(TaskLossConfig):
    """Distance up to which different objects are pushed apart; embeddings have length 1. `views` as for `triplet`."""

    name: str = "contrastive"
    margin: PositiveFloat = 1.0
    views: bool = False

    def build(self) -> "Contrastive":
        """Make the task loss."""
        return Contrastive(self)

    def identities(self) -> Literal["labels", "views"]:
        """From views if asked for, else from labels."""
        return "views" if self.views else "labels"


class Contrastive(TaskLoss):
    """1/2 d^2 of one object's embeddings, 1/2 max(margin - d, 0)^2 of two objects'; the two means are added.

    Hadsell et al. 2006, "Dimensionality Reduction by Learning an Invariant Mapping", equation 4. Deviation: pairs of
    one object and of two are averaged apart, since there are far more of the latter.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.margin = config.margin

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image with one object, or none."""
        found = compare(predictions, targets)
        distances = found.distances()
        pulls, pushes = distances**2 / 2, F.relu(self.margin - distances) ** 2 / 2
        means = [
            losses.where(pairs, 0).sum(dim=2) / pairs.sum(dim=2).clamp(min=1)
            for losses, pairs in ((pulls, found.positive), (pushes, found.negative))
        ]
        return mean_of_anchors(means[0] + means[1], found.anchors)

    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Share of embeddings whose nearest one is of their own object; see `study.losses.embeddings.retrieval`."""
        return retrieval(predictions, targets)
