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
"""Steps without a break that a condition must hold before the status says so, and be gone before it no longer does."""


def sum_and_shares(loss_weights: Sequence[float]) -> tuple[float, list[float]]:
    """Sum of the absolute loss weights and the share of each; shares of a sum of zero are zero."""
    sizes = [abs(weight) for weight in loss_weights]
    total = math.fsum(sizes)
    return total, [size / total if total > 0 else 0.0 for size in sizes]


class CollapseWatch:
    """Follows the effective loss weights of a trial.

    `collapsed`: their sum is below 1 % of what it was in the first step, or zero: the network hardly learns.
    `reversed`: one is negative, so that the network learns to increase that loss. `one_task`: one has 99 % of the sum.
    `healthy`: none of these. A condition counts once it has held for 20 steps on end, and until it is gone for 20 on
    end: a batch without people, whose losses are small, brings the weights of some methods back for a step.
    """

    def __init__(self) -> None:
        self.first_sum: float | None = None
        self.since: dict[str, int] = {}
        self.last: dict[str, int] = {}

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
                self.last[name] = step
            elif name in self.since and (not self._counts(name) or step - self.last[name] >= PATIENCE):
                del self.since[name], self.last[name]

    def _counts(self, name: str) -> bool:
        return name in self.since and self.last[name] - self.since[name] >= PATIENCE - 1

    @property
    def status(self) -> tuple[WeightingStatus, int | None]:
        """The first condition that counts, and the step since which it does."""
        for name in WEIGHTING_STATUSES:
            if self._counts(name):
                return name, self.since[name]
        return "healthy", None

    def state(self) -> dict[str, Any]:
        """What `load_state` goes on from."""
        return {"first_sum": self.first_sum, "since": dict(self.since), "last": dict(self.last)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self.first_sum, self.since, self.last = state["first_sum"], dict(state["since"]), dict(state["last"])
