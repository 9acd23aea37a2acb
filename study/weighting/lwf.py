"""Learned weighting factors (LWF): a small network predicts the loss weights from the losses."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from study.config import WeightingConfig
from study.weighting.base import Weighting

Initialisation = Literal["paper", "pytorch"]

GAUSSIAN_STD = 0.01
"""Standard deviation of the `paper` initialisation: Gaussian in section IV-A, which names no spread. This is that of
the chained tracker's new layers."""


class NetworkConfig(WeightingConfig):
    """Settings of the network that predicts loss weights."""

    channels: PositiveInt = 32  # C of Table IV
    layers: Annotated[int, Field(ge=1)] = 1  # N of Table V: hidden layers of C x C
    initialisation: Initialisation = "pytorch"


class FactorsConfig(NetworkConfig):
    """One of the two readings of eq. 10."""

    output: Literal["relu", "sigmoid"] = "sigmoid"
    detach_input: bool = False


class Config(FactorsConfig):
    """LWF with an own learning rate, outside the clip. `lwf_paper` trains it with the network."""

    lr: PositiveFloat = 1e-3

    def build(self, tasks: Sequence[str]) -> "LearnedWeightingFactors":
        """Make the weighting."""
        return LearnedWeightingFactors(tasks, self, self.lr)


class LearnedWeightingFactors(Weighting):
    """L_total = sum_i w_i L_i with w predicted from the losses and learned by descending L_total itself.

    "Balancing Multiple Object Tracking Objectives based on Learned Weighting Factors", eq. 9 and 10:
    w = out(W3 act(W2 act(W1 [L_1 ... L_T]))). Output `relu` is eq. 10 as written (sigmoid in the hidden layers, ReLU
    last); `sigmoid` is what the text argues for (ReLU hidden, sigmoid last).

    Descending L_total over w as well is degenerate: d L_total / d w_i = L_i >= 0, so smaller weights always pay. With
    output `relu` they reach 0 and stay there, with `sigmoid` they fade. Unless the input is detached, the effective
    loss weight w_i + sum_j L_j dw_j / dL_i may turn negative: the network then learns to increase that loss. `steps`
    logs both (`raw_weight`, `loss_weight`) and `trials` the collapse.

    Deviation: an own learning rate outside the clip, where the paper has one optimiser for everything (`lwf_paper`).
    """

    def __init__(self, tasks: Sequence[str], config: FactorsConfig, lr: float | None) -> None:
        """Make the network of factors; without `lr` it is trained at the tracker's, inside the tracker's clip."""
        super().__init__(tasks)
        self.joint = lr is None
        self.lr = lr or 0.0
        self.detach_input = config.detach_input
        hidden, last = (nn.Sigmoid, nn.ReLU) if config.output == "relu" else (nn.ReLU, nn.Sigmoid)
        self.network = factor_network(len(tasks), config, hidden, last)
        self._raw: Tensor | None = None

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        factors = self.network(losses.detach() if self.detach_input else losses)
        self._raw = factors.detach()
        total = (factors * losses).sum()
        if self.detach_input:
            return total, self._raw
        (loss_weights,) = torch.autograd.grad(total, losses, retain_graph=True)
        return total, loss_weights

    def raw_weights(self) -> Tensor | None:
        """The network's output."""
        return self._raw


def factor_network(tasks: int, config: NetworkConfig, hidden: type[nn.Module], last: type[nn.Module]) -> nn.Sequential:
    """Linear layers without bias from T losses over C channels to T outputs: 2 T C + N C^2 parameters."""
    widths = [tasks, *[config.channels] * (config.layers + 1), tasks]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), hidden()]
    network = nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=False), last())
    if config.initialisation == "paper":
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=GAUSSIAN_STD)
    return network
