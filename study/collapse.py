"""Watches the loss weights while they are learned: whether they vanish, whether one task takes all."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

WeightingStatus = Literal["healthy", "collapsed", "reversed", "one_task"]
WEIGHTING_STATUSES: tuple[WeightingStatus, ...] = get_args(WeightingStatus)

VANISHED = 0.01
"""Share of their first sum below which the loss weights count as collapsed."""

ONE_TASK = 0.99
"""Share of one task from which the others count as neglected."""

PATIENCE = 20
"""Steps that a condition must hold without a break before the status says so."""


def sum_and_shares(loss_weights: Sequence[float]) -> tuple[float, list[float]]:
    """Sum of the absolute loss weights and the share of each; shares of a sum of zero are zero."""
    sizes = [abs(weight) for weight in loss_weights]
    total = math.fsum(sizes)
    return total, [size / total if total > 0 else 0.0 for size in sizes]


class CollapseWatch:
    """Follows the effective loss weights of a trial.

    `collapsed`: their sum is below 1 % of what it was in the first step, or zero: the network hardly learns.
    `reversed`: one is negative, so that the network learns to increase that loss. `one_task`: one has 99 % of the sum.
    `healthy`: none of these. A condition counts once it has held for 20 steps, and ends with the first step without it.
    """

    def __init__(self) -> None:
        self.first_sum: float | None = None
        self.since: dict[str, int] = {}

    def update(self, step: int, loss_weights: Sequence[float]) -> None:
        """Take in the effective loss weights of a step."""
        total, shares = sum_and_shares(loss_weights)
        if self.first_sum is None:
            self.first_sum = total
        conditions = {
            "collapsed": total == 0 or total < VANISHED * self.first_sum,
            "reversed": min(loss_weights) < 0,
            "one_task": max(shares) >= ONE_TASK,
        }
        for name, holds in conditions.items():
            if holds:
                self.since.setdefault(name, step)
            else:
                self.since.pop(name, None)
        self.step = step

    step: int = 0

    @property
    def status(self) -> tuple[WeightingStatus, int | None]:
        """The first condition that holds, and the step since which it does."""
        for name in WEIGHTING_STATUSES:
            start = self.since.get(name)
            if start is not None and self.step - start >= PATIENCE - 1:
                return name, start
        return "healthy", None

    def state(self) -> dict[str, Any]:
        """What `load_state` goes on from."""
        return {"first_sum": self.first_sum, "since": dict(self.since), "step": self.step}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self.first_sum, self.since, self.step = state["first_sum"], dict(state["since"]), state["step"]
