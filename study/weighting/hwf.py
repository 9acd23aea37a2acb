"""Hard weighting factors: the weighted sum with fixed loss weights."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from study.config import WeightingConfig
from study.errors import UserError, nearest
from study.weighting.base import Weighting


class Config(WeightingConfig):
    """Loss weights by task name. A task that is not named weighs 1."""

    loss_weights: dict[str, Annotated[float, Field(ge=0)]] = {}

    def build(self, tasks: Sequence[str]) -> "HardWeightingFactors":
        """Make the weighting.

        Raises:
            UserError: a loss weight for a task that the objective does not have, or 0 for every task.
        """
        for name in self.loss_weights:
            if name not in tasks:
                raise UserError(f"weighting.loss_weights: no task {name!r} in the objective; {nearest(name, tasks)}")
        loss_weights = [self.loss_weights.get(task, 1.0) for task in tasks]
        if not any(loss_weights):
            raise UserError("weighting.loss_weights: every task weighs 0; at least one must be above")
        return HardWeightingFactors(tasks, loss_weights)


class HardWeightingFactors(Weighting):
    """L_total = sum_i w_i L_i with fixed w ("Balancing Multiple Object Tracking Objectives based on Learned Weighting
    Factors", eq. 7, for any number of tasks).
    """

    loss_weights: Tensor

    def __init__(self, tasks: Sequence[str], loss_weights: Sequence[float]) -> None:
        super().__init__(tasks)
        self.register_buffer("loss_weights", torch.tensor(loss_weights, dtype=torch.float32))

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        return (self.loss_weights * losses).sum(), self.loss_weights
