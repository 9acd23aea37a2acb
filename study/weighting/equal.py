"""Equal weighting: the plain sum of the task losses."""

from collections.abc import Sequence

from study.config import WeightingConfig
from study.weighting.hwf import HardWeightingFactors


class Config(WeightingConfig):
    """Every task weighs 1: the baseline that needs no search."""

    def build(self, tasks: Sequence[str]) -> HardWeightingFactors:
        """Make the weighting."""
        return HardWeightingFactors(tasks, [1.0] * len(tasks))
