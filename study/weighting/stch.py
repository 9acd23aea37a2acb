"""Smooth Tchebycheff scalarisation (STCH): a smooth maximum of the losses."""

from collections.abc import Sequence

from pydantic import PositiveFloat
from torchjd.scalarization import STCH

from study.config import WeightingConfig
from study.weighting.scalarizer import ScalarizerWeighting


class Config(WeightingConfig):
    """Lin et al. 2024, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", by torchjd.

    L_total = mu log sum_i exp(L_i / (T mu)): the smaller `mu`, the more only the largest loss counts. The weights are
    positive and sum to 1 / T. Deviation: the losses are taken as they are, with the ideal point 0, where the authors'
    code divides them by their means after a warm-up.
    """

    mu: PositiveFloat = 0.1

    def build(self, tasks: Sequence[str]) -> ScalarizerWeighting:
        """Make the weighting."""
        return ScalarizerWeighting(tasks, STCH(self.mu))
