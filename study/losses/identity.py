"""`identity`: cross entropy of "which of the training identities is this?"."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from study.config import TaskLossConfig
from study.losses.base import Shapes, TaskLoss


class Config(TaskLossConfig):
    """No settings but the name."""

    num_frames: ClassVar[int] = 1

    name: str = "identity"

    def build(self) -> "IdentityCrossEntropy":
        """Make the task loss."""
        return IdentityCrossEntropy()

    def identities(self) -> Literal["labels"]:
        """From labels."""
        return "labels"


class IdentityCrossEntropy(TaskLoss):
    """Cross entropy over the training identities, averaged over the objects of an image.

    Zhang et al. 2021 ("FairMOT"), section 4.2, equation 3: a linear classifier, which tracking does not need, on
    embeddings of length 1 times sqrt(2) log(K - 1), as in its public code, so that K identities can be told apart.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)

    classifier: nn.Linear

    def shape(self, shapes: Shapes) -> None:
        """Make the classifier; where identities are not known it takes its size from a checkpoint."""
        known = shapes.num_identities
        self.classifier = nn.LazyLinear(1) if known is None else nn.Linear(shapes.embedding_channels, known)

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without objects.

        In evaluation NaN where no object is one of the training identities: there is nothing to judge.
        """
        logits, wanted = self._logits(predictions), self._wanted(targets)
        losses = F.cross_entropy(logits.flatten(0, 2), wanted.flatten(), ignore_index=-1, reduction="none")
        losses = losses.view(wanted.shape).flatten(1)
        known = (wanted >= 0).flatten(1).sum(dim=1)
        mean = losses.sum(dim=1) / known.clamp(min=1)
        return mean if self.training else mean.masked_fill(known == 0, torch.nan)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Probability given to the right identity; one group."""
        wanted = self._wanted(targets)
        right = self._logits(predictions).softmax(-1).gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
        return (right * (wanted >= 0)).sum()[None], (wanted >= 0).sum()[None]

    def _logits(self, predictions: Mapping[str, Tensor]) -> Tensor:
        scale = math.sqrt(2) * math.log(max(3, self.classifier.out_features) - 1)
        return self.classifier(scale * predictions["embedding"])

    def _wanted(self, targets: Mapping[str, Tensor]) -> Tensor:
        """Identities from 0, [B, F, N]; -1 where there is no object, and for identities of another split."""
        ids = (targets["ids"] - 1).where(targets["ids"] <= self.classifier.out_features, -1)
        return ids[:, None, :].where(targets["present"], -1)
