"""UPGrad: every task gradient projected onto the directions that harm no task."""

from torchjd.aggregation import UPGradWeighting

from study.weighting.gramian import GramianConfig, Solve, scale_free


class Config(GramianConfig):
    """Quinton and Rey 2024, "Jacobian Descent For Multi-Objective Optimization", eq. 5, by torchjd; nothing else to
    set.

    The weights are at least 1 / T (1 / T without conflict).
    """

    def solver(self) -> Solve:
        """See `GramianConfig.solver`."""
        return scale_free(UPGradWeighting())
