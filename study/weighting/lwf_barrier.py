"""A deviation of LWF that does not fade: a logarithmic barrier keeps the loss weights away from zero."""

from collections.abc import Sequence

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from study.weighting import lwf
from study.weighting.base import Weighting


class Config(lwf.NetworkConfig):
    """The barrier has no strength to set: scaling it scales all loss weights alike."""

    lr: PositiveFloat = 1e-3

    def build(self, tasks: Sequence[str]) -> "BarrierWeightingFactors":
        """Make the weighting."""
        return BarrierWeightingFactors(tasks, self)


class BarrierWeightingFactors(Weighting):
    """L_total = sum_i (w_i L_i - log w_i), w = exp(W3 relu(W2 relu(W1 log(1 + L)))), L detached.

    A deviation from "Balancing Multiple Object Tracking Objectives based on Learned Weighting Factors", eq. 10, not a
    form of it. For constant losses the optimum is w_i = 1 / L_i, that of uncertainty weighting. The weights are
    positive. Exponents are limited to +-`LIMIT`, so that a loss of zero gives no infinite weight. Losses a hundred
    times apart leave one task almost alone, by this method's own optimum.
    """

    LIMIT = 10.0

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.lr = config.lr
        self.network = lwf.factor_network(len(tasks), config, nn.ReLU, nn.Identity)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        # log1p keeps the inputs near 1 from losses of 0 to 1e8.
        free = self.network(losses.detach().log1p())
        exponents = free.clamp(-self.LIMIT, self.LIMIT)
        # Beyond the limit descent goes on only where it leads back: by d total / d exponent = w L - 1.
        beyond = (free - exponents).detach()
        back = beyond * (exponents.detach().exp() * losses.detach() - 1) > 0
        exponents = torch.where(back, free - beyond, exponents)
        factors = exponents.exp()
        return (factors * losses - exponents).sum(), factors.detach()
