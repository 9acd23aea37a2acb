"""The contract of a tracker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from study.batch import FrameBatch
from study.errors import UserError


@dataclass(frozen=True)
class TrainingOutput:
    """What one training forward gives.

    Attributes:
        losses: task losses by name, scalars: normalised per image, averaged over the images of this batch.
        shared_features: tensors that every task loss depends on; task gradients are compared there.
        counts: right and all answers of checks by name, for example `id`: (right, all) of ID verification.
        performance: gives every task's key performance indicators, as `study.losses.TaskLoss.performance` does; asked
            only for weightings that look at them. None if the tracker has none.
    """

    losses: dict[str, Tensor]
    shared_features: list[Tensor]
    counts: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    performance: Callable[[], dict[str, tuple[Tensor, Tensor]]] | None = None


@dataclass(frozen=True)
class FrameTracks:
    """Tracks of one frame.

    Attributes:
        ids: int64 [N], > 0.
        boxes_xyxy: float64 [N, 4], pixels of the network's input.
        scores: float64 [N].
        candidate_boxes_xyxy: float64 [M, 4], all detections before association, for average precision.
        candidate_scores: float64 [M].
    """

    ids: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray
    candidate_boxes_xyxy: np.ndarray
    candidate_scores: np.ndarray


class OnlineTracker(Protocol):
    """State of one sequence that is being tracked."""

    def update(self, image: Tensor) -> FrameTracks:
        """Take the next frame (uint8 [3, H, W] at the network's size) and say where the tracks are in it."""


class Tracker(nn.Module):
    """A network that learns from frames in a row and tracks online, one frame at a time."""

    def forward(self, batch: FrameBatch) -> TrainingOutput:
        """Task losses of a batch."""
        raise NotImplementedError

    def last_shared_layer(self) -> list[nn.Parameter]:
        """Parameters of the last layer that every task uses, the one that makes the shared features.

        Raises:
            UserError: the tracker names none.
        """
        raise UserError(
            f"weighting.gramian_at: {type(self).__name__} names no last shared layer (last_shared_layer()); "
            "use 'shared_features' or 'shared_parameters'"
        )

    def static_parts(self) -> list[nn.Module]:
        """Modules whose inputs have one shape in all batches: what `train.compile` compiles, by default all."""
        return [self]

    def online(self) -> OnlineTracker:
        """Start on a new sequence. The network must be in evaluation mode and stay unchanged until its end."""
        raise NotImplementedError
