"""Random numbers of weightings: equal on every worker, whatever else draws, and unchanged by a resume."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Draws(nn.Module):
    """A generator for every step, made from a seed and a count of the steps; both are part of the checkpoint.

    The seed comes from torch's global generator when the weighting is built, which every worker of a trial has seeded
    alike.
    """

    seed: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seed", torch.randint(2**40, ()))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def next(self) -> torch.Generator:
        """The generator of the next step, on the CPU."""
        self.count += 1
        return torch.Generator().manual_seed(int(self.seed) + int(self.count))


def by_name(tasks: Sequence[str]) -> list[int]:
    """Positions of the tasks in alphabetical order.

    Whatever is drawn or solved in this order goes with the task, not with its place in the objective.
    """
    return sorted(range(len(tasks)), key=lambda i: tasks[i])
