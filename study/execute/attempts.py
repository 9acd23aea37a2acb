"""Numbers of attempts, over all runs of a study."""

import threading

from study.results import ResultStore


class Attempts:
    """Counts the attempts of every trial, so that no ledger entry takes the place of another. Used by several threads.

    The ledger's names are looked at once: to list them for every attempt would take a study of N trials N^2.
    """

    def __init__(self, store: ResultStore) -> None:
        self._last = store.last_attempts()
        self._lock = threading.Lock()

    def next(self, trial_id: str) -> int:
        """Number of a trial's next attempt, also if the last one was killed before it wrote anything."""
        with self._lock:
            self._last[trial_id] = self._last.get(trial_id, 0) + 1
            return self._last[trial_id]
