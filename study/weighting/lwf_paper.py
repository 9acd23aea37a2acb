"""Learned weighting factors as the paper trains them: one Adam, one learning rate, one clip."""

from collections.abc import Sequence
from typing import Literal

from study.weighting import lwf


class Config(lwf.FactorsConfig):
    """Eq. 10 as written, Gaussian initialisation, trained at the network's learning rate (`train.lr`) inside its clip.

    For the paper's optimiser also set `train.optimizer` to "adam".
    """

    output: Literal["relu", "sigmoid"] = "relu"
    initialisation: lwf.Initialisation = "paper"

    def build(self, tasks: Sequence[str]) -> lwf.LearnedWeightingFactors:
        """Make the weighting."""
        return lwf.LearnedWeightingFactors(tasks, self, lr=None)
