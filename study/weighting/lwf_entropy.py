"""A deviation of LWF that does not fade: shares of a fixed sum, kept apart from one-hot by their entropy."""

from collections.abc import Sequence

from pydantic import PositiveFloat
from torch import Tensor, nn

from study.weighting import lwf
from study.weighting.base import Weighting


class Config(lwf.NetworkConfig):
    """`temperature` is the strength of the entropy; the larger it is, the more equal are the loss weights."""

    temperature: PositiveFloat = 1.0
    lr: PositiveFloat = 1e-3

    def build(self, tasks: Sequence[str]) -> "EntropyWeightingFactors":
        """Make the weighting."""
        return EntropyWeightingFactors(tasks, self)


class EntropyWeightingFactors(Weighting):
    """L_total = sum_i w_i L_i + T tau sum_i q_i log q_i, w = T q, q = softmax(W3 relu(W2 relu(W1 log(1 + L)))),
    L detached.

    A deviation from "Balancing Multiple Object Tracking Objectives based on Learned Weighting Factors", eq. 10, not a
    form of it. For constant losses the optimum is w = T softmax(-L / tau): easy tasks weigh more. The weights are
    positive and sum to T. Losses more than about 5 tau apart leave one task, by this method's own optimum.
    """

    def __init__(self, tasks: Sequence[str], config: Config) -> None:
        super().__init__(tasks)
        self.lr, self.temperature = config.lr, config.temperature
        self.network = lwf.factor_network(len(tasks), config, nn.ReLU, nn.Identity)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Weigh the task losses; see `Weighting.forward`."""
        # log1p keeps the inputs near 1 from losses of 0 to 1e8.
        log_shares = self.network(losses.detach().log1p()).log_softmax(0)
        shares = log_shares.exp()
        count = len(self.tasks)
        negative_entropy = (shares * log_shares).sum()
        total = count * ((shares * losses).sum() + self.temperature * negative_entropy)
        return total, count * shares.detach()
