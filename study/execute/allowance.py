"""What the budget still allows: which jobs and worker groups may start, and which trials go on.

Counted in seconds of one worker group. All that run are expected to end as predicted, one job to run after them or
beside them; what turns out longer is interrupted before the budget is spent, after an epoch.
"""

import math
import time
from collections.abc import Sequence

END_SECONDS = 3.0
"""Kept back for each group, to end its processes in."""

_MARGIN = 1.2
"""An epoch, with what is written after it, may take so many times as long as the one before without."""


class Allowance:
    """What is left, and what it is enough for.

    Args:
        startup_seconds: what the start of a group takes, as far as is known.
    """

    def __init__(self, startup_seconds: float) -> None:
        self.startup_seconds = startup_seconds
        self._left, self._at = math.inf, 0.0
        self.short = False
        """Whether a trial had to be interrupted: of unknown length, none is started then."""

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self._left < math.inf

    def set(self, left: float) -> None:
        """So many seconds are left now."""
        self._left, self._at = left, time.monotonic()

    def affords(self, jobs: Sequence[float | None], busy: float, groups: int, *, another_group: bool) -> bool:
        """Whether these jobs can be run to their end.

        Args:
            jobs: how long each should take; None if that is unknown.
            busy: what groups that start and jobs that run should take from now on, all together.
            groups: how many there are.
            another_group: whether one more has to start for it.
        """
        if not self.limited:
            return True
        if self.short and None in jobs:
            return False
        need = sum(filter(None, jobs)) + busy + groups * END_SECONDS
        if another_group:
            need += self.startup_seconds + END_SECONDS
        return need <= self._now(groups)

    def allows_epoch(self, seconds: float, groups: int) -> bool:
        """Whether an epoch that takes as long as the last one ends inside the budget, if all groups hold on."""
        return not self.limited or groups * (_MARGIN * seconds + END_SECONDS) <= self._now(groups)

    def _now(self, groups: int) -> float:
        return self._left - groups * (time.monotonic() - self._at)
