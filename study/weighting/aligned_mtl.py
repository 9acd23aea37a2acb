"""Aligned-MTL: task gradients made orthogonal and equally long."""

from typing import Literal

from torchjd.aggregation import AlignedMTLWeighting

from study.weighting.gramian import GramianConfig, Solve, scale_free


class Config(GramianConfig):
    """Senushkin et al. 2023, "Independent Component Alignment for Multi-Task Learning", algorithm 1, by torchjd.

    `scale_mode` says which eigenvalue of the Gramian all of them become. Weights may be negative where gradients are
    nearly parallel.
    """

    scale_mode: Literal["min", "median", "rmse"] = "min"

    def solver(self) -> Solve:
        """See `GramianConfig.solver`."""
        return scale_free(AlignedMTLWeighting(scale_mode=self.scale_mode))
