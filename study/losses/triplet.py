"""`triplet`: an object's embedding is nearer to itself in another frame than to any other object, by a margin."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from study.losses.base import masked_mean
from study.losses.embeddings import EmbeddingConfig, EmbeddingLoss, compare


class Config(EmbeddingConfig):
    """Margin, and which triplets are taken: of each embedding the hardest one, or all of them."""

    name: str = "triplet"
    mining: Literal["hard", "all"] = "hard"
    margin: PositiveFloat = 0.3

    def build(self) -> "Triplet":
        """Make the task loss."""
        return Triplet(self)


class Triplet(EmbeddingLoss):
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0) over Euclidean distances of embeddings of length 1.

    CL-MOT, table 2: `hard` takes the farthest positive and the nearest negative of each embedding (Hermans et al. 2017,
    "In Defense of the Triplet Loss", equation 5), `all` sums over all of them; both are averaged over the embeddings of
    an image that have a positive and a negative. An image with one object, or none, has no triplet.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.mining, self.margin = config.mining, config.margin

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without triplets."""
        found = compare(predictions, targets)
        distances = found.distances()
        if self.mining == "hard":
            farthest = distances.where(found.positive, 0).amax(dim=2)
            nearest = distances.masked_fill(~found.negative, 4).amin(dim=2)
            return masked_mean(F.relu(farthest - nearest + self.margin), found.anchors)
        frames, count = predictions["embedding"].shape[1:3]
        each = torch.zeros_like(distances[:, :, 0])
        for apart in range(1, frames):  # of each embedding, the same object so many frames on
            positive = found.positive.roll(-apart * count, dims=2).diagonal(dim1=1, dim2=2)
            far = distances.roll(-apart * count, dims=2).diagonal(dim1=1, dim2=2)
            losses = F.relu(far[..., None] - distances + self.margin)
            each = each + losses.where(found.negative & positive[..., None], 0).sum(dim=2)
        return masked_mean(each, found.anchors)
