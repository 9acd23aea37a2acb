"""How long training workers existed, seen from outside: what a ledger must at least charge."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil
from driver import VICTIMS, Driver, name_of

SAMPLE_SECONDS = 0.1


@dataclass
class Held:
    """A training worker's process: whose it is, when it was created and when it was last seen alive."""

    driver: Driver
    created_at: float
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
        assert self._thread.is_alive(), "it had to look all the time"
        self._stop.set()
        self._thread.join()

    def held(self) -> list[tuple[float, float]]:
        """When each driver began, and the seconds from creation to end of all its workers together."""
        return [
            (driver.started_at, sum(w.seen_at - w.created_at for w in self.workers.values() if w.driver is driver))
            for driver in self._drivers
        ]

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for driver in list(self._drivers):
                for process, name in driver.look().items():
                    if name.startswith(VICTIMS["worker"]) and process not in self.workers:
                        with suppress(psutil.NoSuchProcess):
                            self.workers[process] = Held(driver, process.create_time(), time.time())
            now = time.time()
            for process, held in self.workers.items():
                if name_of(process) is not None:
                    held.seen_at = now
