"""Equal loss weights, in steps that take a while, so that a trial can be disturbed in the middle."""

import time
from collections.abc import Sequence

from torch import Tensor

from study.config import WeightingConfig
from study.weighting.hwf import HardWeightingFactors

STEP_SECONDS = 0.4


class Config(WeightingConfig):
    """Has no settings."""

    def build(self, tasks: Sequence[str]) -> "SlowSteps":
        return SlowSteps(tasks, [1.0] * len(tasks))


class SlowSteps(HardWeightingFactors):
    """Hard weights, one of each task."""

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        time.sleep(STEP_SECONDS)
        return super().forward(losses, gramian)
