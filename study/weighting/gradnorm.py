"""GradNorm: loss weights that bring the norms of the task gradients to a common, progress-dependent size."""

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from study.config import WeightingConfig
from study.weighting.base import Place, Weighting

EPSILON = 1e-8
"""Smallest loss weight before they are scaled to sum to T; a loss must be larger for progress to be measured by it."""


class Config(WeightingConfig):
    """Asymmetry `alpha` (the larger, the more a slow task gains), learning rate, and where norms are taken."""

    alpha: Annotated[float, Field(ge=0)] = 1.5
    lr: PositiveFloat = 0.025
    gramian_at: Place = "last_shared_layer"

    def build(self, tasks: Sequence[str]) -> "GradNorm":
        """Make the weighting."""
        return GradNorm(tasks, self)


class GradNorm(Weighting):
    """Chen et al. 2018, "GradNorm", algorithm 1 and eq. 2, for any number of tasks.

    G_i = w_i g_i with g_i the norm of task i's gradient at the last shared layer, r_i the task's share of progress
    (L_i / L_i(0)) / mean_j (L_j / L_j(0)). The weights descend sum_i |G_i - mean(G) r_i^alpha|, the mean held constant:
    d / d w_i = g_i sign(G_i - mean(G) r_i^alpha) in closed form, without a second backward. Afterwards they are scaled
    to sum to T. They are positive.

    Deviations: L_i(0) is the first loss above 1e-8 (a batch may have nothing to learn from); until then a task counts
    as having made no progress, L_i / L_i(0) = 1. A weight below 1e-8 is lifted to it. A task without a gradient counts
    in the mean with its 0, and its weight changes by the scaling only.
    """

    needs_gramian = True
    first_losses: Tensor

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.alpha, self.lr, self.gramian_at = config.alpha, config.lr, config.gramian_at
        self.loss_weights = nn.Parameter(torch.ones(len(tasks)))
        self.register_buffer("first_losses", torch.full((len(tasks),), torch.nan))

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weigh the task losses; see `Weighting.forward`."""
        assert gramian is not None
        weights = self.loss_weights.detach()
        values = losses.detach()
        first = self.first_losses.isnan() & (values > EPSILON)
        self.first_losses.copy_(torch.where(first, values, self.first_losses))
        norms = gramian.detach().diagonal().clamp(min=0).sqrt().to(weights)
        rates = torch.where(self.first_losses.isnan(), 1.0, values / self.first_losses)
        rates = rates / rates.mean().clamp(min=torch.finfo(rates.dtype).tiny)
        scaled = weights * norms
        gradient = norms * (scaled - scaled.mean() * rates**self.alpha).sign()
        pull = (gradient * self.loss_weights).sum()
        # The pull has a gradient, not a value: the total stays what the network descends.
        loss_weights = weights.clone()
        return (loss_weights * losses).sum() + (pull - pull.detach()), loss_weights

    @torch.no_grad()
    def after_step(self, reforward: Callable[[], Tensor]) -> None:  # noqa: ARG002
        """Scale the loss weights to sum to T."""
        weights = self.loss_weights.clamp_(min=EPSILON)
        weights.mul_(len(self.tasks) / weights.sum())
