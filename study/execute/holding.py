"""A ledger entry on devices while they are held: written at once, every few seconds, and when the holding ends."""

import contextlib
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from study.errors import UserError

if TYPE_CHECKING:
    from study.results import ResultStore
    from study.train import Seconds

BEAT_SECONDS = 5.0


class Holding:
    """Charges devices to a trial, or to the study if they belong to none.

    Whoever is killed while it holds devices is charged up to the last beat: the entry then still says `running`, and
    the next run of the study closes it.

    Args:
        store: where the ledger is.
        entry_id: name of the entry.
        kind: `attempt`, or `startup` or `idle` of a worker group.
        devices: workers times devices of each.
        group_id: worker group that holds them.
        trial_id: trial they are held for, if any.
        attempt: attempt of that trial.
        instead_of: holding of the same devices that pauses meanwhile; so every second is charged, and once.
    """

    def __init__(
        self,
        store: "ResultStore",
        entry_id: str,
        *,
        kind: Literal["attempt", "startup", "idle"],
        devices: float,
        group_id: str,
        trial_id: str | None = None,
        attempt: int | None = None,
        instead_of: "Holding | None" = None,
    ) -> None:
        self._store, self._instead_of = store, instead_of
        self._start = time.monotonic()
        self._paused: float | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._entry: dict[str, Any] = {
            "entry_id": entry_id,
            "trial_id": trial_id,
            "attempt": attempt,
            "group_id": group_id,
            "kind": kind,
            "devices": devices,
            "started_at": datetime.now(UTC),
            "held_seconds": 0.0,
            "startup_seconds": 0.0,
            "train_seconds": 0.0,
            "eval_seconds": 0.0,
            "status": "running",
            "hostname": socket.gethostname(),
        }
        self.write()
        if instead_of is not None:
            instead_of.pause(self._start)
        threading.Thread(target=self._beat, name=f"holding {entry_id}", daemon=True).start()

    def pause(self, now: float | None = None) -> None:
        """Devices are held for something else from now on (`time.monotonic`); nothing is charged until `resume`."""
        with self._lock:
            self._put("paused", now)
            self._paused = self._start + self._entry["held_seconds"]

    def resume(self, now: float | None = None) -> None:
        """They are held for this again."""
        with self._lock:
            if self._paused is not None:
                self._start += (time.monotonic() if now is None else now) - self._paused
                self._paused = None
                self._put("running")

    def spend(self, seconds: "Seconds") -> None:
        """Count work whose result is saved, and write the entry."""
        for name in ("startup", "train", "eval"):
            self._entry[f"{name}_seconds"] += getattr(seconds, name)
        self.write()

    def write(self) -> None:
        """Write the entry as it is now."""
        with self._lock:
            if not self._ended.is_set() and self._paused is None:
                self._put("running")

    @property
    def since(self) -> float:
        """When it began to be charged (`time.monotonic`)."""
        return self._start

    def end(self, status: str, *, started: float | None = None) -> None:
        """Write the entry a last time.

        Args:
            status: how it ended.
            started: when holding really began, later than was thought, paused or not; seconds since the epoch. It may
                come from another machine, and clocks can be wrong: nothing before the entry or after now is believed.
        """
        with self._lock:
            self._ended.set()
            if started is not None:
                later = started - self._entry["started_at"].timestamp()
                later = min(max(0.0, later), time.monotonic() - self._start)
                self._start += later
                self._entry["started_at"] += timedelta(seconds=later)
            self._put(status, self._paused if started is None else None)
        if self._instead_of is not None:
            self._instead_of.resume(self._start + self._entry["held_seconds"])

    def _put(self, status: str, now: float | None = None) -> None:
        held = (time.monotonic() if now is None else now) - self._start
        self._entry |= {"held_seconds": held, "status": status}
        self._store.write_ledger(self._entry)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            # A full disk is told by whoever writes rows; a beat that is missed costs accuracy only.
            with contextlib.suppress(UserError):
                self.write()


def close_running(
    store: "ResultStore", status: str, entry_id: str | None = None, held_seconds: float | None = None
) -> None:
    """Close the ledger entries, one or all, whose holder was killed.

    They are charged what they held, or else up to the latest that the holder can have lived: a beat after it last wrote
    them. What was paused is charged as it is.
    """
    for entry in store.ledger() if entry_id is None else store.entries([entry_id]):
        if entry["status"] == "running":
            held = held_seconds
            if held is None:
                since = max(entry["held_seconds"], time.time() - entry["started_at"].timestamp())
                held = min(since, entry["held_seconds"] + BEAT_SECONDS)
            store.write_ledger({**entry, "held_seconds": held, "status": status})
        elif entry["status"] == "paused":
            store.write_ledger({**entry, "status": status})
