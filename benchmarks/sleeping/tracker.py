"""A tracker that sleeps instead of training, and finds nothing; all around it is the platform's own."""

import time
from typing import Any

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from study.batch import FrameBatch
from study.config import Objective, TrackerConfig
from study.tracker import FrameTracks, OnlineTracker, Tracker, TrainingOutput


class Config(TrackerConfig):
    """How long a training step sleeps, and how many parameters the checkpoints hold."""

    step_seconds: NonNegativeFloat = 1.0
    parameters: PositiveInt = 100_000

    def build(self, objective: Objective, statistics: Any) -> "Sleeper":  # noqa: ARG002
        return Sleeper(self, objective.tasks)


class Sleeper(Tracker):
    """Every task loss is the mean square of the same parameters."""

    def __init__(self, config: Config, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.step_seconds, self.tasks = config.step_seconds, tasks
        self.values = nn.Parameter(torch.ones(config.parameters))

    def forward(self, batch: FrameBatch) -> TrainingOutput:  # noqa: ARG002
        if self.training:
            time.sleep(self.step_seconds)
        features = self.values.square()
        return TrainingOutput({task: features.mean() for task in self.tasks}, shared_features=[features])

    def online(self) -> OnlineTracker:
        return Blind()


class Blind:
    """Sees nothing in any frame."""

    def update(self, image: Tensor) -> FrameTracks:  # noqa: ARG002
        none = np.zeros((0, 4))
        return FrameTracks(np.zeros(0, dtype=np.int64), none, np.zeros(0), none, np.zeros(0))
