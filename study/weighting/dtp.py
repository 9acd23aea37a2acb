"""Dynamic task prioritisation (DTP): tasks that are solved badly weigh more."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from study.config import WeightingConfig
from study.weighting.base import Weighting

EPSILON = 1e-6
"""Smallest indicator, so that its logarithm is finite."""


class Config(WeightingConfig):
    """Focal exponent `gamma`, and the share `momentum` that a new indicator has in the running one."""

    gamma: Annotated[float, Field(ge=0)] = 1.0
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.05

    def build(self, tasks: Sequence[str]) -> "DynamicTaskPrioritisation":
        """Make the weighting."""
        return DynamicTaskPrioritisation(tasks, self)


class DynamicTaskPrioritisation(Weighting):
    """w_i = -(1 - k_i)^gamma log k_i with a running key performance indicator k_i in (0, 1].

    Guo et al. 2018, "Dynamic Task Prioritization for Multitask Learning" (task level). The indicators are
    those of the task losses: mean probability of the right side for classification and ID verification, mean IoU of
    the decoded positives for regression. The weights are not negative, and 0 for a task that is solved.

    Deviations: indicators are smoothed by step, not by epoch; the example-level focal weights of the paper are the
    focal losses' own.
    """

    needs_performance = True
    indicators: Tensor

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.gamma, self.momentum = config.gamma, config.momentum
        self.register_buffer("indicators", torch.full((len(tasks),), torch.nan))

    def observe(self, performance: Tensor) -> None:
        """Take in the indicators of a step; one that is NaN (nothing to judge by) leaves the running one alone."""
        moved = torch.lerp(self.indicators, performance.to(self.indicators), self.momentum)
        first = torch.where(self.indicators.isnan(), performance, moved)
        self.indicators.copy_(torch.where(performance.isnan(), self.indicators, first))

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`. A task that was never judged weighs as one solved by half."""
        k = self.indicators.nan_to_num(0.5).clamp(EPSILON, 1)
        loss_weights = -((1 - k) ** self.gamma) * k.log()
        return (loss_weights * losses).sum(), loss_weights
