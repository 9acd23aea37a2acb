"""Dynamic weight average (DWA): tasks whose loss falls slowly weigh more."""

from collections.abc import Sequence

import torch
from pydantic import PositiveFloat
from torch import Tensor

from study.config import WeightingConfig
from study.weighting.base import Weighting

EPSILON = 1e-8
"""Smallest mean loss that a ratio is formed with."""


class Config(WeightingConfig):
    """The larger `temperature`, the more equal are the loss weights; 2 as in the paper."""

    temperature: PositiveFloat = 2.0

    def build(self, tasks: Sequence[str]) -> "DynamicWeightAverage":
        """Make the weighting."""
        return DynamicWeightAverage(tasks, self)


class DynamicWeightAverage(Weighting):
    """w = T softmax(r / temperature), r_i = L_i(t - 1) / L_i(t - 2), L_i(t) the mean loss of epoch t.

    Liu et al. 2019, "End-to-End Multi-Task Learning with Attention", eq. 7. The weights are 1 in the first two epochs,
    positive, and sum to T. Deviation: mean losses below 1e-8 count as 1e-8.
    """

    means: Tensor
    sums: Tensor
    steps: Tensor

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.temperature = config.temperature
        self.register_buffer("means", torch.ones(2, len(tasks)))  # of the epoch before the last, and of the last
        self.register_buffer("sums", torch.zeros(len(tasks)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # of this epoch
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    epochs: Tensor

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        self.sums += losses.detach()
        self.steps += 1
        if self.epochs < 2:
            loss_weights = torch.ones_like(losses)
        else:
            rates = self.means[1] / self.means[0]
            loss_weights = len(self.tasks) * (rates / self.temperature).softmax(0)
        return (loss_weights * losses).sum(), loss_weights

    def after_epoch(self) -> None:
        """Take the mean loss of the epoch."""
        self.means.copy_(torch.stack([self.means[1], (self.sums / self.steps).clamp(min=EPSILON)]))
        self.sums.zero_()
        self.steps.zero_()
        self.epochs += 1
