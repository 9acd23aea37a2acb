"""What re-identification losses share: which embeddings are of one object, which of different ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.base import TaskLoss


class EmbeddingConfig(TaskLossConfig):
    """`views`: the frames of a sample are views of one frame, and no identity label is read (CL-MOT)."""

    views: bool = False

    def identities(self) -> Literal["labels", "views"]:
        """From views if asked for, else from labels."""
        return "views" if self.views else "labels"


class EmbeddingLoss(TaskLoss):
    """A loss on how near embeddings are to each other."""

    needs: ClassVar[tuple[str, ...]] = ("embedding",)

    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Share of embeddings whose nearest one is of their own object; see `retrieval`."""
        return retrieval(predictions, targets)


@dataclass(frozen=True)
class Comparisons:
    """The embeddings of each image's frames, E = F x N of them, against each other.

    Attributes:
        embeddings: [B, E, C], of length 1.
        positive: bool [B, E, E], the same object in another frame.
        negative: bool [B, E, E], another object of the same image.
        anchors: bool [B, E], embeddings with a positive and a negative.
    """

    embeddings: Tensor
    positive: Tensor
    negative: Tensor
    anchors: Tensor

    def similarities(self) -> Tensor:
        """Cosines, [B, E, E]."""
        return self.embeddings @ self.embeddings.transpose(1, 2)

    def distances(self) -> Tensor:
        """Euclidean distances, [B, E, E]; without a gradient where two embeddings are equal."""
        return (2 - 2 * self.similarities()).clamp(min=1e-12).sqrt()


def compare(predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Comparisons:
    """Compare the embeddings of all frames of an image.

    Only objects of the same image are compared: across images an identity may recur, or be somebody else's number.

    Args:
        predictions: `embedding` [B, F, N, C].
        targets: `present` bool [B, F, N]; a slot n is one object in all frames.
    """
    embeddings, present = predictions["embedding"], targets["present"]
    batch, frames, count, channels = embeddings.shape
    here = present.reshape(batch, -1)
    slot = torch.arange(count, device=here.device).repeat(frames)
    both = here[:, :, None] & here[:, None, :]
    same = slot[:, None] == slot[None, :]
    itself = torch.eye(len(slot), dtype=torch.bool, device=here.device)
    positive, negative = both & same & ~itself, both & ~same
    anchors = positive.any(dim=2) & negative.any(dim=2)
    return Comparisons(embeddings.reshape(batch, -1, channels), positive, negative, anchors)


@torch.no_grad()
def retrieval(predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """How many anchors have one of their own object nearest, and how many there are: [1] and [1]."""
    found = compare(predictions, targets)
    similarities = found.similarities()
    nearest = [similarities.masked_fill(~mask, -2).amax(dim=2) for mask in (found.positive, found.negative)]
    right = (nearest[0] > nearest[1]) & found.anchors
    return right.sum()[None], found.anchors.sum()[None]
