"""CAGrad: the update near the mean gradient that serves the worst-served task best."""

from typing import Annotated

from pydantic import Field
from torchjd.aggregation import CAGradWeighting

from study.weighting.gramian import GramianConfig, Solve, scale_free


class Config(GramianConfig):
    """Liu et al. 2021, "Conflict-Averse Gradient Descent for Multi-task Learning", algorithm 1, by torchjd.

    `c` is the radius around the mean gradient, relative to its norm; 0.4 as in the paper's multi-task vision
    experiments. The weights are at least 1 / T; all are 0 where the gradients nearly cancel (Pareto-stationary).
    """

    c: Annotated[float, Field(ge=0)] = 0.4

    def solver(self) -> Solve:
        """See `GramianConfig.solver`."""
        return scale_free(CAGradWeighting(c=self.c))
