"""A weighting of a user's own that does something bad at a step, once or always."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from study.config import WeightingConfig
from study.errors import UserError
from study.weighting import Weighting


class Config(WeightingConfig):
    action: Literal["none", "kill", "raise", "hang", "exhaust", "exhaust_gpu", "leak", "slow", "misstate"] = "none"
    at_step: int = 0
    once: str | None = None  # file that says that it has been done

    def build(self, tasks: Sequence[str]) -> "Faulty":
        return Faulty(tasks, self)


class Faulty(Weighting):
    def __init__(self, tasks, config):
        super().__init__(tasks)
        self.config = config
        self.step = -1

    def forward(self, losses, gramian=None):  # noqa: ARG002
        self.step += 1
        if self.config.action == "slow":
            time.sleep(0.05)
        elif self.step == self.config.at_step and not self.done():
            self.act()
        return losses.sum(), torch.full_like(losses, 2.0 if self.config.action == "misstate" else 1.0)

    def done(self):
        if self.config.once is None:
            return False
        before = Path(self.config.once).exists()
        Path(self.config.once).touch()
        return before

    def act(self):
        match self.config.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise RuntimeError("the user's\nweighting is broken")
            case "hang":
                time.sleep(3600)
            case "exhaust":
                raise MemoryError("no room for 8 GiB")
            case "exhaust_gpu":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 GiB.")
            case "leak":
                raise UserError(f"cannot log in with {os.environ['WANDB_API_KEY']}")
