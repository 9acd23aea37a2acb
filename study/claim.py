"""Who runs a study: one driver at a time, which leaves word of itself in `driver.json` for `status` and for others.

On a local disk a lock of the operating system decides, which ends with its process however that is killed. Elsewhere,
and between machines that share a folder, the word of the other driver counts for as long as it is fresh.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from study.errors import UserError
from study.results import ResultStore

NAME = "driver.json"
LOCK = "driver.lock"
BEAT_SECONDS = 10.0
FRESH_SECONDS = 45.0
"""After this a driver that has left no word is taken for dead."""


class Claim:
    """The word that a study's driver leaves of itself, renewed every few seconds; made by `claimed`.

    Args:
        store: the study's results.
        before: the word of the driver before, which stands until `tell` says otherwise.
    """

    def __init__(self, store: ResultStore, before: Mapping[str, Any]) -> None:
        self._store = store
        self._word = {**before, "pid": os.getpid(), "hostname": socket.gethostname(), "started_at": time.time()}
        self._changing: Callable[[], Mapping[str, Any]] = dict
        self._ended = threading.Event()
        self._leave_word()
        self._thread = threading.Thread(target=self._beat, name="claim", daemon=True)
        self._thread.start()

    def tell(self, told: Mapping[str, Any], changing: Callable[[], Mapping[str, Any]]) -> None:
        """Leave more word.

        Args:
            told: what others may want to know, JSON values.
            changing: gives what changes, every few seconds while the driver runs; it goes under `now`.
        """
        self._word = {**self._word, **told}
        self._changing = changing
        self._leave_word()

    def end(self) -> None:
        """Say that the driver has ended."""
        self._ended.set()
        self._thread.join()
        self._leave_word()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._leave_word()

    def _leave_word(self) -> None:
        # Without it the study goes on all the same; a full disk is told by whoever writes rows.
        with suppress(UserError):
            now = {"now": self._changing(), "beat_at": time.time(), "running": not self._ended.is_set()}
            content = self._word | now
            self._store.folder.write(NAME, json.dumps(content).encode())


@contextmanager
def claimed(store: ResultStore) -> Iterator[Claim]:
    """Be the one driver of a study.

    Raises:
        UserError: another driver runs it, or its folder cannot be written.
    """
    path = store.local_folder() / LOCK
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1)  # whoever only looks (`is_running`) holds it for a moment
    except Timeout:
        raise _taken(store, read_claim(store)) from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another --results folder") from None
    try:
        other = read_claim(store)
        if _runs_elsewhere(store, other):
            raise _taken(store, other)
        claim = Claim(store, other)
        try:
            yield claim
        finally:
            claim.end()
    finally:
        lock.release()


def read_claim(store: ResultStore) -> dict[str, Any]:
    """What the last driver left word of; empty if there is none that can be read."""
    try:
        content = json.loads(store.folder.read(NAME) or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def is_running(store: ResultStore) -> bool:
    """Whether a driver runs this study now; leaves no trace."""
    claim = read_claim(store)
    if _runs_elsewhere(store, claim):
        return True
    lock = Path(store.folder.path, LOCK)
    if not store.folder.is_local or not lock.exists():
        return False
    try:
        with FileLock(lock).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # results that may only be read
        return _is_fresh(claim)


def _runs_elsewhere(store: ResultStore, claim: Mapping[str, Any]) -> bool:
    """Whether a driver that the lock of this machine's disk knows nothing of has left word of late."""
    if not _is_fresh(claim):
        return False
    if claim.get("hostname") != socket.gethostname():
        return True
    return not store.folder.is_local and claim.get("pid") != os.getpid() and psutil.pid_exists(claim.get("pid", 0))


def _is_fresh(claim: Mapping[str, Any]) -> bool:
    return bool(claim.get("running")) and time.time() - claim.get("beat_at", 0.0) <= FRESH_SECONDS


def _taken(store: ResultStore, claim: Mapping[str, Any]) -> UserError:
    who = f"process {claim['pid']} on {claim['hostname']}" if {"pid", "hostname"} <= claim.keys() else "another process"
    age = f" (it left word {max(0.0, time.time() - claim['beat_at']):.0f} s ago)" if "beat_at" in claim else ""
    return UserError(
        f"{store.folder}: {who} runs this study{age}; wait for it or end it, or give another --results folder"
    )
