"""MGDA: the convex combination of the task gradients with the smallest norm."""

from typing import Annotated

from pydantic import Field, PositiveFloat
from torchjd.aggregation import MGDAWeighting

from study.weighting.gramian import GramianConfig, Solve, scale_free


class Config(GramianConfig):
    """Sener and Koltun 2018, "Multi-Task Learning as Multi-Objective Optimization", algorithm 2, by torchjd.

    The weights are not negative and sum to 1. `epsilon` is the step of the Frank-Wolfe solver below which it stops.
    The smallest gradient wins: a task whose gradient nearly vanishes takes nearly all the weight.
    """

    epsilon: PositiveFloat = 0.001
    max_iters: Annotated[int, Field(ge=1)] = 100

    def solver(self) -> Solve:
        """See `GramianConfig.solver`."""
        return scale_free(MGDAWeighting(self.epsilon, self.max_iters))
