"""`nt_xent`: normalised temperature-scaled cross entropy, an object's own embedding against all others."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss
from study.losses.embeddings import compare, mean_of_anchors, retrieval


class Config(TaskLossConfig):
    """Temperature by which cosines are divided. `views` as for `triplet`."""

    name: str = "nt_xent"
    temperature: PositiveFloat = 0.1
    views: bool = False

    def build(self) -> "NTXent":
        """Make the task loss."""
        return NTXent(self)

    def identities(self) -> Literal["labels", "views"]:
        """From views if asked for, else from labels."""
        return "views" if self.views else "labels"


class NTXent(TaskLoss):
    """-log(exp(s_p / t) / (exp(s_p / t) + sum_n exp(s_n / t))), averaged over embeddings and their positives.

    Chen et al. 2020 ("SimCLR"), equation 1, over the objects of one image. CL-MOT's table 2 prints a sum of ratios over
    negatives; its public code keeps the positive in the denominator, as here. The paper names no temperature.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.temperature = config.temperature

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image with one object, or none."""
        found = compare(predictions, targets)
        logits = found.similarities() / self.temperature
        # An embedding without negatives is no anchor; any number in their place keeps its masked gradient finite.
        alone = ~found.negative.any(dim=2, keepdim=True)
        others = logits.masked_fill(~found.negative & ~alone, -torch.inf).logsumexp(dim=2, keepdim=True)
        each = F.softplus(others - logits)
        positives = found.positive.sum(dim=2).clamp(min=1)
        losses = each.where(found.positive, 0).sum(dim=2) / positives
        return mean_of_anchors(losses, found.anchors)

    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Share of embeddings whose nearest one is of their own object; see `study.losses.embeddings.retrieval`."""
        return retrieval(predictions, targets)
