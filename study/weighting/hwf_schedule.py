"""A schedule of hard weighting factors: fixed loss weights for some epochs, then others."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from study.config import WeightingConfig
from study.errors import UserError
from study.weighting import hwf
from study.weighting.base import Weighting


class Config(WeightingConfig):
    """Loss weights by task name for each stage; a task that is not named weighs 1. The last stage lasts to the end."""

    stages: Annotated[tuple[dict[str, Annotated[float, Field(ge=0)]], ...], Field(min_length=1)] = ({},)
    epochs_per_stage: PositiveInt = 1

    def build(self, tasks: Sequence[str]) -> "ScheduledWeightingFactors":
        """Make the weighting.

        Raises:
            UserError: a loss weight for a task that the objective does not have, or 0 for every task.
        """
        stages = []
        for i, stage in enumerate(self.stages):
            try:
                stages.append(hwf.Config(loss_weights=stage).build(tasks).loss_weights)
            except UserError as error:
                raise UserError(str(error).replace("weighting.loss_weights", f"weighting.stages[{i}]")) from None
        return ScheduledWeightingFactors(tasks, torch.stack(stages), self.epochs_per_stage)


class ScheduledWeightingFactors(Weighting):
    """L_total = sum_i w_i(epoch) L_i, the w_i constant within a stage.

    What population-based training finds (Jaderberg et al. 2017, "Population Based Training of Neural Networks").
    The stages are no part of the state: a longer schedule goes on from the state of a shorter one that it begins with.
    """

    loss_weights: Tensor
    epochs: Tensor

    def __init__(self, tasks: Sequence[str], loss_weights: Tensor, epochs_per_stage: int) -> None:
        super().__init__(tasks)
        self.epochs_per_stage = epochs_per_stage
        self.register_buffer("loss_weights", loss_weights, persistent=False)  # [stages, T]
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        stage = (self.epochs // self.epochs_per_stage).clamp(max=len(self.loss_weights) - 1)
        loss_weights = self.loss_weights[stage]
        return (loss_weights * losses).sum(), loss_weights

    def after_epoch(self) -> None:
        """Count the epoch."""
        self.epochs += 1
