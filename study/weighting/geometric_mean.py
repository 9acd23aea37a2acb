"""Geometric mean of the losses: every loss counts by its relative change."""

from collections.abc import Sequence

from pydantic import PositiveFloat
from torch import Tensor
from torchjd.scalarization import GeometricMean

from study.config import WeightingConfig
from study.weighting.scalarizer import ScalarizerWeighting


class Config(WeightingConfig):
    """`epsilon` is added to every loss, so that a loss of zero has a logarithm."""

    epsilon: PositiveFloat = 1e-8

    def build(self, tasks: Sequence[str]) -> "GeometricLosses":
        """Make the weighting."""
        return GeometricLosses(tasks, self)


class GeometricLosses(ScalarizerWeighting):
    """Chennupati et al. 2019, "MultiNet++", geometric loss strategy, by torchjd: L_total = (prod_i L_i)^(1 / T).

    w_i = L_total / (T L_i), positive.
    """

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks, GeometricMean())
        self.epsilon = config.epsilon

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weigh the task losses; see `Weighting.forward`."""
        return super().forward(losses + self.epsilon, gramian)
