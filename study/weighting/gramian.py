"""Adapter: torchjd's maps from the Gramian of the task gradients to weights, as weightings."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from study.config import WeightingConfig
from study.weighting.base import Place, Weighting
from study.weighting.draws import by_name

Solve = Callable[[Tensor], Tensor]
"""From a Gramian [K, K] of non-zero gradients, float64 on the CPU, to weights [K]."""

NO_GRADIENT = 1e-12
"""A gradient whose norm is below this share of all norms together counts as none."""


class GramianConfig(WeightingConfig):
    """Where the task gradients are compared. Derived classes give `solver()`."""

    gramian_at: Place = "shared_features"

    def build(self, tasks: Sequence[str]) -> Weighting:
        """Make the weighting."""
        return GramianWeighting(tasks, self.solver(), self.gramian_at)

    def solver(self) -> Solve:
        """The method's map from a Gramian to weights."""
        raise NotImplementedError


class GramianWeighting(Weighting):
    """L_total = sum_i w_i L_i with weights that a method finds in the Gramian of the task gradients.

    The method sees the tasks in alphabetical order, in float64, and only those that have a gradient where gradients are
    compared: a task without one (no object in the batch, a head whose last layer is still zero) takes no part and
    weighs as much as the others do on average, so that its own head learns. Without any gradient every task weighs 1.
    """

    needs_gramian = True

    def __init__(self, tasks: Sequence[str], solve: Solve, gramian_at: Place) -> None:
        super().__init__(tasks)
        self.solve, self.gramian_at = solve, gramian_at
        self._order = by_name(tasks)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weigh the task losses; see `Weighting.forward`."""
        assert gramian is not None
        loss_weights = self._weights(gramian.detach().double().cpu()).to(losses)
        return (loss_weights * losses).sum(), loss_weights

    @torch.no_grad()
    def _weights(self, gramian: Tensor) -> Tensor:
        squares = gramian.diagonal()
        has_gradient = squares > NO_GRADIENT**2 * squares.sum()
        taking_part = [i for i in self._order if has_gradient[i]]
        weights = torch.ones(len(gramian), dtype=torch.float64)
        if taking_part:
            weights[taking_part] = self.solve(gramian[taking_part][:, taking_part])
            weights[~has_gradient] = weights[has_gradient].mean()
        return weights


def scale_free(solve: Solve) -> Solve:
    """A method whose weights do not change with the gradients' common scale, asked at a scale of its own liking."""
    return lambda gramian: solve(gramian / gramian.diagonal().sum())
