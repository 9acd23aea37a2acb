"""How long training workers existed, seen from outside: what a ledger must at least charge."""

import threading
import time
from dataclasses import dataclass

import psutil
from faults.driver import VICTIMS, Driver, name_of

SAMPLE_SECONDS = 0.1


@dataclass
class Held:
    """A training worker's process: when it was created, first seen as a worker, and last seen alive."""

    created_at: float
    named_at: float
    seen_at: float


class Observer:
    """Looks at the processes of drivers ten times a second, until it is stopped."""

    def __init__(self) -> None:
        self.workers: dict[psutil.Process, Held] = {}
        self._drivers: list[Driver] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def watch(self, driver: Driver) -> None:
        """Look at one more driver."""
        self._drivers.append(driver)

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()

    @property
    def held_seconds(self) -> float:
        """From creation to end, of all workers together."""
        return sum(held.seen_at - held.created_at for held in self.workers.values())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for driver in list(self._drivers):
                for process, name in driver.look().items():
                    if name.startswith(VICTIMS["worker"]) and process not in self.workers:
                        now = time.time()
                        self.workers[process] = Held(process.create_time(), now, now)
            now = time.time()
            for process, held in self.workers.items():
                if name_of(process) is not None:
                    held.seen_at = now
