"""What a tracker predicts, and which task losses that suffices for."""

from collections.abc import Collection
from typing import Any

from torch import nn

from study.config import Objective
from study.errors import UserError
from study.losses import TaskLoss
from study.losses.base import Shapes


def needed(objective: Objective) -> frozenset[str]:
    """Names of the predictions that an objective's task losses read."""
    return frozenset(name for loss in objective.task_losses for name in loss.build().needs)


def build_losses(
    objective: Objective, offered: Collection[str], remedies: dict[str, str], embedding_channels: int, statistics: Any
) -> nn.ModuleDict:
    """Make the task losses of an objective for a tracker.

    Args:
        objective: whose task losses are made.
        offered: names of what the tracker predicts.
        remedies: by name of a prediction, what is missing and what to set to have it.
        embedding_channels: of the embedding that losses see.
        statistics: of the training split; None where all parameters come from a checkpoint.

    Raises:
        UserError: a task loss needs what is not predicted.
    """
    losses: dict[str, TaskLoss] = {config.name: config.build() for config in objective.task_losses}
    for name, loss in losses.items():
        if missing := sorted(set(loss.needs) - set(offered)):
            what = missing[0]
            there = f"{what!r}; this tracker predicts {', '.join(sorted(offered))}: choose another one"
            raise UserError(f"objective: task loss {name!r} needs {remedies.get(what, there)}")
        loss.shape(Shapes(embedding_channels, None if statistics is None else statistics.num_identities))
    return nn.ModuleDict(losses)
