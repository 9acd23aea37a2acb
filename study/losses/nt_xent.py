"""`nt_xent`: normalised temperature-scaled cross entropy, an object's own embedding against all others."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.losses.base import masked_mean
from study.losses.embeddings import EmbeddingConfig, EmbeddingLoss, compare


class Config(EmbeddingConfig):
    """Temperature by which cosines are divided."""

    name: str = "nt_xent"
    temperature: PositiveFloat = 0.1

    def build(self) -> "NTXent":
        """Make the task loss."""
        return NTXent(self)


class NTXent(EmbeddingLoss):
    """-log(exp(s_p / t) / (exp(s_p / t) + sum_n exp(s_n / t))), averaged over embeddings and their positives.

    Chen et al. 2020 ("SimCLR"), equation 1, over the objects of one image. CL-MOT's table 2 prints a sum of ratios over
    negatives; its public code keeps the positive in the denominator, as here. The paper names no temperature.
    """

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
        return masked_mean(masked_mean(each, found.positive, dim=2), found.anchors)
