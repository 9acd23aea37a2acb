"""Nash-MTL: the weights of a bargaining game between the tasks."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from study.weighting.fairgrad import fair_shares
from study.weighting.gramian import GramianConfig, Solve


class Config(GramianConfig):
    """Navon et al. 2022, "Multi-Task Learning as a Bargaining Game", algorithm 1.

    The weights solve G w = 1 / w (claim 3.1), scaled so that the combined gradient's norm is at most `max_norm` (0: no
    limit). They are positive.

    Deviation: the authors' code, and torchjd's after it, approaches the solution by a sequence of convex programs and
    takes 200 ms a step for it. The same equation is that of FairGrad with alpha = 1; torchjd's solver for that one
    takes 2 ms, finds it to more digits, and needs no earlier solution to start from.
    """

    max_norm: Annotated[float, Field(ge=0)] = 1.0

    def solver(self) -> Solve:
        """See `GramianConfig.solver`."""

        def solve(gramian: Tensor) -> Tensor:
            weights = fair_shares(gramian, alpha=1.0)
            norm = (weights @ gramian @ weights).sqrt()
            return weights * (self.max_norm / norm).clamp(max=1) if self.max_norm > 0 else weights

        return solve
