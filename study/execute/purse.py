"""What a study has spent of its budget, to the second, and when it will be spent."""

import math
import threading
import time

_END_SECONDS = 3.0
"""Kept back to end processes in."""


class Purse:
    """Counts device-seconds: those of earlier runs, and what worker groups hold now. Used by several threads.

    Args:
        budget: device-seconds; None: no limit.
        spent: device-seconds of the ledger when this run began.
        rate: devices that are held when all slots are busy.
    """

    def __init__(self, budget: float | None, spent: float, rate: float) -> None:
        self._budget, self._spent, self._rate = budget, spent, rate
        self._held: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def hold(self, group_id: str, devices: float, since: float) -> None:
        """A worker group holds devices since this time, in seconds since the epoch."""
        with self._lock:
            self._held[group_id] = (devices, since)

    def release(self, group_id: str, charged: float) -> None:
        """It has ended, and the ledger charges it these device-seconds."""
        with self._lock:
            del self._held[group_id]
            self._spent += charged

    @property
    def spent(self) -> float:
        """Device-seconds until now."""
        now = time.time()
        with self._lock:
            return self._spent + sum(devices * (now - since) for devices, since in self._held.values())

    @property
    def deadline(self) -> float:
        """When the budget is spent at full rate, in seconds since the epoch, less what ending takes."""
        if self._budget is None:
            return math.inf
        return time.time() + (self._budget - self.spent) / self._rate - _END_SECONDS
