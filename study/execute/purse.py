"""What a study has spent of its budget, to the second."""

import math
import threading
import time

from study.execute.allowance import END_SECONDS


class Purse:
    """Counts device-seconds: those of earlier runs, and what worker groups hold now. Used by several threads.

    Args:
        budget: device-seconds; None: no limit.
        spent: device-seconds of the ledger when this run began.
        devices: that a worker group holds.
    """

    def __init__(self, budget: float | None, spent: float, devices: float) -> None:
        self._budget, self._spent, self._devices = budget, spent, devices
        self._held: dict[str, float] = {}
        self._lock = threading.Lock()

    def hold(self, group_id: str, since: float) -> None:
        """A worker group holds its devices since this time (`time.monotonic`); told again, the last counts."""
        with self._lock:
            self._held[group_id] = since

    def release(self, group_id: str, charged: float) -> None:
        """It has ended, whether or not it ever held any, and the ledger charges it these device-seconds."""
        with self._lock:
            self._held.pop(group_id, None)
            self._spent += charged

    @property
    def spent(self) -> float:
        """Device-seconds until now."""
        now = time.monotonic()
        with self._lock:
            return self._spent + sum(self._devices * (now - since) for since in self._held.values())

    @property
    def left(self) -> float:
        """What is left of the budget, in seconds of one worker group."""
        return math.inf if self._budget is None else (self._budget - self.spent) / self._devices

    @property
    def is_empty(self) -> bool:
        """Whether all groups have to end now."""
        return self.left <= END_SECONDS * len(self._held)
