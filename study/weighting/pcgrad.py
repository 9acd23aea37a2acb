"""PCGrad: every task gradient without its conflicting part."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchjd.aggregation import PCGradWeighting

from study.weighting.draws import Draws
from study.weighting.gramian import GramianConfig, GramianWeighting


class Config(GramianConfig):
    """Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", algorithm 1, by torchjd; nothing else to set.

    The weights are at least 1 (1 without conflict).
    """

    def build(self, tasks: Sequence[str]) -> "ProjectConflicts":
        """Make the weighting."""
        return ProjectConflicts(tasks, self)


class ProjectConflicts(GramianWeighting):
    """PCGrad with the random order of its projections drawn alike on every worker."""

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks, self._project, config.gramian_at)
        self.draws = Draws()
        self._map = PCGradWeighting()

    def _project(self, gramian: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # torchjd draws from the global generator
            torch.set_rng_state(self.draws.next().get_state())
            return self._map(gramian)
