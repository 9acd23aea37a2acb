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


@contextmanager
def claimed(store: ResultStore, told: Mapping[str, Any], tell: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Be the one driver of a study.

    Args:
        store: the study's results.
        told: what others may want to know, JSON values.
        tell: gives what changes of it, every few seconds.

    Raises:
        UserError: another driver runs it.
    """
    lock = FileLock(store.local_folder() / LOCK)
    try:
        lock.acquire(timeout=1)  # whoever only looks (`is_running`) holds it for a moment
    except Timeout:
        raise _taken(store, read_claim(store)) from None
    ended = threading.Event()
    word = {**told, "pid": os.getpid(), "hostname": socket.gethostname(), "started_at": time.time()}

    def leave_word() -> None:
        # Without it the study goes on all the same; a full disk is told by whoever writes rows.
        with suppress(UserError):
            content = {**word, **tell(), "beat_at": time.time(), "running": not ended.is_set()}
            store.folder.write(NAME, json.dumps(content).encode())

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            leave_word()

    try:
        other = read_claim(store)
        if _runs_elsewhere(store, other):
            raise _taken(store, other)
        leave_word()
        thread = threading.Thread(target=beat, name="claim", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            leave_word()
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
