"""What a tracker predicts, and which task losses that suffices for."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from study.config import Objective
from study.errors import UserError
from study.losses import TaskLoss
from study.losses.base import Shapes


class TaskLosses(nn.ModuleDict):
    """Task losses by name; computed in float32 at least, whatever the network computes in.

    In bfloat16 a cosine above .998 is 1, and has no gradient.
    """

    def forward(
        self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], Callable[[], dict[str, tuple[Tensor, Tensor]]]]:
        """Losses of a batch, each the mean over its images, and a function for the key performance indicators.

        In evaluation an image of which a loss judges nothing (NaN) is left out of its mean.
        """
        exact = {name: value.float() if _is_half(value) else value for name, value in predictions.items()}

        def apply(what: Callable[[Any], Any]) -> dict[str, Any]:
            with torch.autocast(next(iter(exact.values())).device.type, enabled=False):
                return {name: what(loss) for name, loss in self.items()}

        each = apply(lambda loss: loss(exact, targets))
        losses = {name: values.mean() if self.training else values.nanmean() for name, values in each.items()}
        return losses, lambda: apply(lambda loss: loss.performance(exact, targets))


def _is_half(values: Tensor) -> bool:
    return values.dtype in (torch.bfloat16, torch.float16)


def needed(objective: Objective) -> frozenset[str]:
    """Names of the predictions that an objective's task losses read."""
    return frozenset(name for loss in objective.task_losses for name in loss.build().needs)


def build_losses(
    objective: Objective, offered: Collection[str], remedies: dict[str, str], embedding_channels: int, statistics: Any
) -> TaskLosses:
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
    return TaskLosses(losses)
