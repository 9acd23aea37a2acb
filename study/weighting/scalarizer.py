"""Adapter: torchjd's maps from the task losses to one total, as weightings."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchjd.scalarization import Scalarizer

from study.weighting.base import Weighting


class ScalarizerWeighting(Weighting):
    """The total of a torchjd scalarizer; the loss weights are its derivatives."""

    def __init__(self, tasks: Sequence[str], scalarizer: Scalarizer) -> None:
        super().__init__(tasks)
        self.scalarizer = scalarizer

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        total = self.scalarizer(losses)
        (loss_weights,) = torch.autograd.grad(total, losses, retain_graph=True)
        return total, loss_weights
