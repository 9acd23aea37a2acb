"""Self-paced multi-task weighting: easy tasks first, harder ones as training grows older."""

from collections.abc import Callable, Sequence

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from study.config import WeightingConfig
from study.weighting.base import Weighting

EPSILON = 1e-8
"""Smallest age parameter."""


class Config(WeightingConfig):
    """`start` is the first age parameter over the mean of the first losses; it doubles every `doubling_steps`."""

    start: PositiveFloat = 1.5
    doubling_steps: PositiveInt = 500

    def build(self, tasks: Sequence[str]) -> "SelfPaced":
        """Make the weighting."""
        return SelfPaced(tasks, self)


class SelfPaced(Weighting):
    """w_i = max(0, 1 - L_i / lambda), lambda growing with the steps.

    After Li et al. 2017, "Self-Paced Multi-Task Learning", reference [19] of the LWF paper. Deviation: the soft linear
    form at task level stands for that paper's regulariser over tasks and samples. Lambda is at least twice the smallest
    loss, so that there is always a task to learn. The weights lie in [0, 1].
    """

    first_mean: Tensor
    steps: Tensor

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.start, self.doubling_steps = config.start, config.doubling_steps
        self.register_buffer("first_mean", torch.tensor(torch.nan))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        values = losses.detach()
        if self.first_mean.isnan():
            self.first_mean.copy_(values.mean())
        age = self.start * self.first_mean * 2.0 ** (self.steps / self.doubling_steps).clamp(max=60)
        age = torch.maximum(age, 2 * values.min()).clamp(min=EPSILON)
        loss_weights = (1 - values / age).clamp(min=0)
        return (loss_weights * losses).sum(), loss_weights

    def after_step(self, reforward: Callable[[], Tensor]) -> None:  # noqa: ARG002
        """Grow older by a step."""
        self.steps += 1
