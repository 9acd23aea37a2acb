"""A weighting that takes a folder away when the first worker receives it, as if that worker's machine had none."""

import shutil
from collections.abc import Sequence
from typing import Any

import psutil

from study.config import WeightingConfig
from study.weighting.hwf import HardWeightingFactors


class Config(WeightingConfig):
    folder: str

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        if psutil.Process().cmdline()[0].startswith("ray::RayTrainWorker"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def build(self, tasks: Sequence[str]) -> HardWeightingFactors:
        return HardWeightingFactors(tasks, [1.0] * len(tasks))
