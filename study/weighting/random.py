"""Random loss weighting (RLW): the sanity baseline that any method should beat."""

from collections.abc import Sequence

import torch
from torch import Tensor

from study.config import WeightingConfig
from study.weighting.base import Weighting
from study.weighting.draws import Draws, by_name


class Config(WeightingConfig):
    """Loss weights drawn anew in every step; nothing to set."""

    def build(self, tasks: Sequence[str]) -> "RandomWeighting":
        """Make the weighting."""
        return RandomWeighting(tasks)


class RandomWeighting(Weighting):
    """w = softmax(z), z ~ N(0, 1) in every step (Lin et al. 2022, "Reasonable Effectiveness of Random Weighting",
    algorithm 2). The weights are positive and sum to 1.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.draws = Draws()
        self._order = by_name(tasks)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        z = torch.empty(len(self.tasks))
        z[self._order] = torch.randn(len(self.tasks), generator=self.draws.next())
        loss_weights = z.softmax(0).to(losses)
        return (loss_weights * losses).sum(), loss_weights
