"""When Ray itself breaks: what of it has ended, and the end of what is left of it."""

import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import ray
from ray.exceptions import RayError, RayTaskError

from study.errors import KEPT, ClusterError

_NEEDED = ("raylet", "gcs_server")
"""Without them Ray goes on for a while, starts nothing any more, and then ends this process from C++."""

_SILENCE_SECONDS = 60.0
"""After so long an actor that should answer at once counts as lost."""

_LOOK_SECONDS = 0.5
"""How often is looked for processes that have ended."""

_GRACE_SECONDS = 5.0
"""So long a study has to end in order when one has; Ray ends this process from C++ after about eight."""

_LONGEST_END = 10.0
"""Seconds that killed processes may take to be gone."""

_KNOCK_SECONDS = 3.0
"""How often is looked for the head of a cluster, and how long an answer may take."""

_HIDDEN_SECONDS = 40.0
"""So long a cluster's head may be out of reach; Ray ends this process from C++ after 60."""


class _Head:
    """Whether the head of a cluster that this process has not started is there. Several threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._address, self._gone = "", False
        self._asked_at = self._answered_at = 0.0

    def is_gone(self, address: str) -> bool:
        """Whether nothing listens there any more, or it has been out of reach for long."""
        with self._lock:
            if address != self._address:
                self._address, self._gone = address, False
                self._asked_at, self._answered_at = 0.0, time.monotonic()
            if time.monotonic() > self._asked_at + _KNOCK_SECONDS:
                self._knock()
                self._asked_at = time.monotonic()
            return self._gone

    def _knock(self) -> None:
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
        except ConnectionRefusedError:
            self._gone = True
        except OSError:
            self._gone = time.monotonic() > self._answered_at + _HIDDEN_SECONDS
        else:
            self._gone, self._answered_at = False, time.monotonic()


_head = _Head()


def lost_process() -> str | None:
    """Name of a process that has ended, of those that Ray needs on this machine or on the head; None if all live."""
    node = ray._private.worker._global_node
    if node is None:
        return None
    processes = node.all_processes
    for name in _NEEDED:
        if any(started.process.poll() is not None for started in processes.get(name, ())):
            return name
    return "gcs_server" if not processes and _head.is_gone(node.gcs_address) else None


def lost_part(error: Exception) -> str | None:
    """What of Ray has ended, in words, if that is what an error comes from."""
    name = lost_process()
    if name is not None:
        return _told(name)
    if isinstance(error, RayError) and not isinstance(error, RayTaskError):  # which carries an error of our own
        return f"an actor of the study has ended (killed, or out of memory?): {type(error).__name__}"
    return None


def get(reference: ray.ObjectRef) -> Any:
    """`ray.get` of something that comes soon; looks after Ray's processes meanwhile, which it would wait for in vain.

    Raises:
        ClusterError: a process that Ray needs has ended.
        RayError: the actor that is asked has ended, or does not answer.
    """
    until = time.monotonic() + _SILENCE_SECONDS
    while True:
        if (name := lost_process()) is not None:
            raise ClusterError(_told(name))
        ready, _ = ray.wait([reference], timeout=_LOOK_SECONDS)
        if ready or time.monotonic() > until:
            return ray.get(reference, timeout=_LOOK_SECONDS)


@contextmanager
def last_word() -> Iterator[None]:
    """See to it that a study whose Ray has broken says so, whatever its main thread waits for, and ends with code 1.

    Ray waits for processes that have ended, also while it starts, and then ends this one from C++ without a word. So
    another thread looks for them, too, and ends it when the study has not done so itself within a few seconds.
    """
    over = threading.Event()

    def look() -> None:
        seen: dict[psutil.Process, str] = {}
        while not over.wait(_LOOK_SECONDS):
            name = lost_process() if ray.is_initialized() else _lost_child(seen)
            if name is not None and not over.wait(_GRACE_SECONDS):
                print(f"error: {_told(name)}; {KEPT}", file=sys.stderr, flush=True)
                end_processes()
                os._exit(1)

    watch = threading.Thread(target=look, name="last word", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _lost_child(seen: dict[psutil.Process, str]) -> str | None:
    """Name of a child of this process that has ended, of those that were seen and that Ray needs.

    While Ray starts, it does not say yet what it has started.
    """
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if (name := child.name()) in _NEEDED:
                seen.setdefault(child, name)
    for process, name in seen.items():
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                continue
        return name
    return None


def _rays_children() -> list[psutil.Process]:
    """Children of this process that Ray has started, whatever it says of them."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any("ray" in word for word in child.cmdline()[:3]):
                found.append(child)
    return found


def end_processes() -> None:
    """Kill what is left of Ray on this machine; an orderly end would wait for what is gone."""
    left = _rays_children()
    for number in {started.process.pid for started in itertools.chain(*_processes().values())}:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(number)
            left += [process, *process.children(recursive=True)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, _LONGEST_END)


def _processes() -> Mapping[str, Any]:
    """Processes that Ray has started on this machine, by name; none if it was elsewhere."""
    node = ray._private.worker._global_node
    return {} if node is None else node.all_processes


def _told(name: str) -> str:
    return f"{name}, a process of Ray's, has ended (killed, or out of memory?)"
