"""Uncertainty weighting: a learned noise level for every task."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from study.config import WeightingConfig
from study.errors import UserError, nearest
from study.weighting.base import Weighting

Form = Literal["regression", "classification", "laplace"]

COEFFICIENTS: Mapping[str, tuple[float, float]] = {
    "regression": (0.5, 0.5),
    "classification": (1.0, 0.5),
    "laplace": (1.0, 1.0),
}
"""(a, b) of a exp(-s) L + b s."""

USUAL_FORMS: Mapping[str, Form] = {"cls": "classification", "reg": "laplace", "reid": "classification"}
"""Of the task losses that come with the platform: smooth L1 is L1-like beyond beta."""


class Config(WeightingConfig):
    """Form by task name, learning rate, and the limit of |s|.

    A task that is not named has the form of the platform's task loss of that name, or else `regression`.
    """

    forms: dict[str, Form] = {}
    lr: PositiveFloat = 0.01
    limit: PositiveFloat = 10.0

    def build(self, tasks: Sequence[str]) -> "UncertaintyWeighting":
        """Make the weighting.

        Raises:
            UserError: a form for a task that the objective does not have.
        """
        for name in self.forms:
            if name not in tasks:
                raise UserError(f"weighting.forms: no task {name!r} in the objective; {nearest(name, tasks)}")
        forms = [self.forms.get(task) or USUAL_FORMS.get(task, "regression") for task in tasks]
        return UncertaintyWeighting(tasks, forms, self.lr, self.limit)


class UncertaintyWeighting(Weighting):
    """Kendall et al. 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses", eq. 7 and 10, with s = log sigma^2.

    Regression exp(-s) L / 2 + s / 2 (optimum s = log L), classification exp(-s) L + s / 2 (s = log 2L), Laplace
    exp(-s) L + s with s = log b (s = log L, for L1-like losses). The weight at the optimum is 1 / (2 L), for Laplace
    1 / L. The weights are positive; the total may be negative.

    Deviation: |s| is limited after every step, since the weight would grow without bound as a loss goes to 0.
    """

    def __init__(self, tasks: Sequence[str], forms: Sequence[Form], lr: float, limit: float) -> None:
        super().__init__(tasks)
        self.lr, self.limit = lr, limit
        self.log_variances = nn.Parameter(torch.zeros(len(tasks)))
        a, b = zip(*(COEFFICIENTS[form] for form in forms), strict=True)
        self.register_buffer("a", torch.tensor(a), persistent=False)
        self.register_buffer("b", torch.tensor(b), persistent=False)

    a: Tensor
    b: Tensor

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        loss_weights = self.a * (-self.log_variances).exp()
        return (loss_weights * losses + self.b * self.log_variances).sum(), loss_weights.detach()

    @torch.no_grad()
    def after_step(self, reforward: Callable[[], Tensor]) -> None:  # noqa: ARG002
        """Limit s."""
        self.log_variances.clamp_(-self.limit, self.limit)
