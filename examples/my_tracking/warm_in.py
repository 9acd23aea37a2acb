"""`my_tracking.warm_in`: some task losses join in gradually."""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor

from study.config import WeightingConfig
from study.errors import UserError, nearest
from study.weighting import Weighting


class Config(WeightingConfig):
    """The loss weights of `late` tasks grow linearly to 1 over the first `steps` steps; all others are 1."""

    late: tuple[str, ...] = ("reid",)
    steps: PositiveInt = 200

    def build(self, tasks: Sequence[str]) -> "WarmIn":
        """Make the weighting.

        Raises:
            UserError: a late task that the objective does not have.
        """
        for name in self.late:
            if name not in tasks:
                raise UserError(f"weighting.late: no task {name!r} in the objective; {nearest(name, tasks)}")
        return WarmIn(tasks, self)


class WarmIn(Weighting):
    """L_total = sum_i w_i L_i, where w_i = min(1, (step + 1) / steps) for late tasks and 1 for the others."""

    late: Tensor
    step: Tensor

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.steps = config.steps
        # Buffers are part of the checkpoint: a trial that was interrupted goes on at the step it had reached.
        self.register_buffer("late", torch.tensor([task in config.late for task in tasks]))
        self.register_buffer("step", torch.tensor(0))

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        progress = ((self.step + 1) / self.steps).clamp(max=1)
        loss_weights = torch.where(self.late, progress, 1.0)
        return (loss_weights * losses).sum(), loss_weights

    def after_step(self, reforward: object) -> None:  # noqa: ARG002
        """Count the step."""
        self.step += 1
