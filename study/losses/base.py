"""The contract of a task loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from study.errors import UserError


@dataclass(frozen=True)
class Shapes:
    """What a task loss with parameters of its own has to know of the tracker and its data.

    Attributes:
        embedding_channels: of the embedding that losses see; 0 without one.
        num_identities: in the training split; None where all parameters will come from a checkpoint.
    """

    embedding_channels: int
    num_identities: int | None


class TaskLoss(nn.Module):
    """One loss of the joint objective, a number per image so that uneven workers can be averaged exactly.

    Trackers give these predictions and targets (B images of F frames each; detection learns from D of them; A anchors,
    or cells of a map; N objects at the most, a slot n being one object in all frames). Those with anchors:

    | prediction | shape | meaning |
    |---|---|---|
    | `cls` | [B, A] | logit: the anchor holds an object of the first frame |
    | `reid` | [B, A] | logit: the anchor holds the same identity in both frames |
    | `reg` | [B, A, 8] | offsets of the object's box in the first and in the second frame |
    | `anchors` | [A, 4] | xyxy, pixels |

    | target | shape | meaning |
    |---|---|---|
    | `cls` | int64 [B, A] | 1 object, 0 background, -1 ignored |
    | `reid` | int64 [B, A] | 1 the same identity in both frames, 0 not, -1 ignored |
    | `reg` | [B, A, 8] | offsets to reach |
    | `reg_mask` | bool [B, A, 8] | offsets that count: of objects, second box only where the identity is in frame 2 |

    Those with a map of centres; `boxes` are given by trackers with anchors too, a slot being an anchor with an object:

    | prediction | shape | meaning |
    |---|---|---|
    | `heatmap` | [B, D, rows, columns] | logit: the cell holds the centre of an object |
    | `cls` | [B, A] | the same, of all cells in a row |
    | `size`, `offset` | [B, D, N, 2] | at the objects' centres: width and height, centre less cell; in cells |
    | `boxes` | [B, D, N, 4] | xyxy, pixels |
    | `embedding` | [B, F, N, C] | at the objects' centres, of length 1 |
    | `embedding_map` | [B, F, C, rows, columns] | everywhere, of length 1 |
    | `detections` | [B, F, K, 4] | boxes of what the tracker finds and follows itself; a row is one track |
    | `detected` | bool [B, F, K] | whether the track was found in the frame |

    | target | shape | meaning |
    |---|---|---|
    | `heatmap` | [B, D, rows, columns] | 1 at a centre, falling off around it |
    | `cls` | int64 [B, A] | 1 a centre, 0 background, -1 around a centre |
    | `size`, `offset` | [B, D, N, 2] | to reach |
    | `boxes` | [B, F, N, 4] | xyxy, pixels |
    | `present` | bool [B, F, N] | whether the object is in the frame |
    | `cells` | int64 [B, F, N, 2] | column and row of the objects' centres |
    | `ids` | int64 [B, N] | identities from 1, those of the training split first; 0 for padding |
    | `image_size` | [2] | width and height, pixels |
    """

    needs: ClassVar[tuple[str, ...]] = ()
    """Names of the predictions it reads; a tracker without them refuses the objective."""

    def shape(self, shapes: Shapes) -> None:
        """Make parameters, if it has any; the tracker calls this once, before anything else."""

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 (attached) for an image without anything to learn from."""
        raise NotImplementedError

    @torch.no_grad()
    def performance(
        self,
        predictions: Mapping[str, Tensor],  # noqa: ARG002
        targets: Mapping[str, Tensor],  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """How well the task is solved: sums [K] of figures in 0 to 1 and their counts [K], over a batch.

        The key performance indicator is the mean over K of sum / count; groups without a count are left out.

        Raises:
            UserError: the task loss has no such figure.
        """
        raise UserError(
            f"{type(self).__name__} has no performance(): weightings that look at key performance indicators (dtp) "
            "cannot be used with it"
        )


def per_image(losses: Tensor, positives: Tensor) -> Tensor:
    """Sum over everything but the image, divided by max(1, positives).

    Args:
        losses: [B, ...].
        positives: bool [B, ...].
    """
    return losses.flatten(1).sum(1) / positives.flatten(1).sum(1).clamp(min=1)


def masked_mean(values: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Mean along a dimension over the places where a mask of the same shape is true; 0 (attached) where none is."""
    return values.where(mask, 0).sum(dim) / mask.sum(dim).clamp(min=1)
