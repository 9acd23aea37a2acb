"""IMTL-L: a learned scale for every loss, so that the scaled losses are alike."""

from collections.abc import Callable, Sequence

import torch
from pydantic import PositiveFloat
from torch import Tensor
from torchjd.scalarization import IMTLL

from study.config import WeightingConfig
from study.weighting.scalarizer import ScalarizerWeighting


class Config(WeightingConfig):
    """Learning rate of the log-scales s, and the limit of |s|."""

    lr: PositiveFloat = 0.01
    limit: PositiveFloat = 10.0

    def build(self, tasks: Sequence[str]) -> "ImpartialLosses":
        """Make the weighting."""
        return ImpartialLosses(tasks, self)


class ImpartialLosses(ScalarizerWeighting):
    """Liu et al. 2021, "Towards Impartial Multi-task Learning", the loss balance: sum_i exp(s_i) L_i - s_i, by torchjd.

    At the optimum w_i = exp(s_i) = 1 / L_i. The weights are positive; the total may be negative. Deviation: |s| is
    limited after every step.
    """

    scalarizer: IMTLL

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks, IMTLL(len(tasks)))
        self.lr, self.limit = config.lr, config.limit

    @torch.no_grad()
    def after_step(self, reforward: Callable[[], Tensor]) -> None:  # noqa: ARG002
        """Limit s."""
        self.scalarizer.log_scale.clamp_(-self.limit, self.limit)
