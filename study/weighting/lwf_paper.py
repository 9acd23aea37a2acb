"""Learned weighting factors as the paper trains them: one Adam, one learning rate, one clip."""

from collections.abc import Sequence
from typing import Literal

from study.weighting import lwf


class Config(lwf.Config):
    """Eq. 10 as written, Gaussian initialisation, trained with the network's learning rate inside its clip.

    The learning rate is `train.lr`; `lr` is not read. For the paper's optimiser also set `train.optimizer` to "adam".
    """

    output: Literal["relu", "sigmoid"] = "relu"
    initialisation: lwf.Initialisation = "paper"

    def build(self, tasks: Sequence[str]) -> lwf.LearnedWeightingFactors:
        """Make the weighting."""
        weighting = lwf.LearnedWeightingFactors(tasks, self)
        weighting.joint = True
        return weighting
