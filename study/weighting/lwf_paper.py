"""Learned weighting factors as the paper trains them: by the network's own optimiser, learning rate and clip."""

from collections.abc import Sequence
from typing import Literal

from study.weighting import lwf


class Config(lwf.FactorsConfig):
    """Eq. 10 as written, Gaussian initialisation, trained at the network's learning rate (`train.lr`) inside its clip.

    The paper's optimiser is Adam: set `train.optimizer` to "adam" for it. AdamW, the default, decays the network,
    though never a weighting's parameters.
    """

    output: Literal["relu", "sigmoid"] = "relu"
    initialisation: lwf.Initialisation = "paper"

    def build(self, tasks: Sequence[str]) -> lwf.LearnedWeightingFactors:
        """Make the weighting."""
        return lwf.LearnedWeightingFactors(tasks, self, lr=None)
