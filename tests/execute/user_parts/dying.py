"""A weighting that kills the first worker that receives it, as a library does that cannot be loaded."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from study.config import WeightingConfig
from study.weighting.hwf import HardWeightingFactors


class Config(WeightingConfig):
    once: str  # file that says that it has been done

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        if psutil.Process().cmdline()[0].startswith("ray::RayTrainWorker") and not Path(self.once).exists():
            Path(self.once).touch()
            os._exit(1)

    def build(self, tasks: Sequence[str]) -> HardWeightingFactors:
        return HardWeightingFactors(tasks, [1.0] * len(tasks))
