"""FAMO: loss weights that make all losses fall at the same rate, learned from a second look at the batch."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor
from torchjd.scalarization import FAMO

from study.config import WeightingConfig
from study.weighting.scalarizer import ScalarizerWeighting


class Config(WeightingConfig):
    """Learning rate and weight decay of the logits, those of the paper."""

    lr: PositiveFloat = 0.025
    decay: Annotated[float, Field(ge=0)] = 1e-3

    def build(self, tasks: Sequence[str]) -> "FastAdaptive":
        """Make the weighting."""
        return FastAdaptive(tasks, self)


class FastAdaptive(ScalarizerWeighting):
    """Liu et al. 2023, "FAMO: Fast Adaptive Multitask Optimization", algorithm 2, by torchjd.

    The total is c sum_i z_i log L_i with z = softmax of the logits, so w_i = c z_i / L_i; the weights are positive and
    sum to 1. The losses are looked at again after every step, which costs another forward. The logits' Adam belongs to
    the method, regularisation (`decay`) included, and is part of the checkpoint.
    """

    scalarizer: FAMO

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks, FAMO(len(tasks), lr=config.lr, weight_decay=config.decay))
        self.lr = config.lr

    def after_step(self, reforward: Callable[[], Tensor]) -> None:
        """Learn from how much each loss has changed."""
        self.scalarizer.update(reforward())

    def get_extra_state(self) -> dict[str, Any]:
        """State of the logits' optimiser; empty before the first step."""
        optimizer = self.scalarizer._optimizer
        return {} if optimizer is None else optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from `get_extra_state()`."""
        famo = self.scalarizer
        famo._optimizer = None
        if state:
            famo._optimizer = torch.optim.Adam([famo._w], lr=famo.lr, weight_decay=famo.weight_decay)
            famo._optimizer.load_state_dict(state)
