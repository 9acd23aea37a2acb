"""A study's driver as a process of its own, whose parts can be killed one by one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

VICTIMS: dict[str, tuple[str, ...]] = {
    "worker": ("ray::RayTrainWorker",),
    "trial actor": ("ray::Follower", "ray::ResourceTrainable"),
    "dispatcher": ("ray::Dispatcher",),
    "controller": ("ray::TrainController",),
    "raylet": ("raylet",),
    "gcs": ("gcs_server",),
    "driver": ("driver",),
}
"""What can be killed, by how its process calls itself."""

HELPERS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Processes of Ray's that notice the end of the others after a minute only; they hold nothing."""


class Driver:
    """Runs a command, keeps what it says, and knows its processes.

    Args:
        command: arguments after `python`.
        environment: variables beside those of this process.
        within: command that runs it elsewhere.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], within: Sequence[str] = ()) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.epochs: list[float] = []
        """When it said that a trial finished an epoch (`time.time`)."""
        self.started_at = time.time()
        self.ended_at = float("nan")
        self._process = subprocess.Popen(
            [*within, sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", **environment},
        )
        self.process = psutil.Process(self._process.pid)
        self._names: dict[psutil.Process, str] = {}
        self._lock = threading.Lock()
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self._told)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.errors.append)),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        code = self._process.poll()
        if code is not None and self.ended_at != self.ended_at:
            self.ended_at = time.time()
        return code

    def wait(self, timeout: float | None = None) -> int | None:
        """Until it ends, or so many seconds; returns its exit code, None if it still runs."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
            for reader in self._readers:
                reader.join(10)  # helpers of Ray's may hold on to the pipes
        return self.code

    def kill(self) -> None:
        """Kill the process itself, unless it has ended."""
        self._process.kill()
        self.wait()

    def look(self) -> dict[psutil.Process, str]:
        """Its processes that are alive, with their names: also those that outlive it, and what these start then."""
        with self._lock:
            children: dict[int | None, list[psutil.Process]] = {}
            for process in psutil.process_iter(["ppid"]):
                children.setdefault(process.info["ppid"], []).append(process)
            parents = [process.pid for process in [*self._names, *([self.process] if self.code is None else [])]]
            while parents:
                for process in children.get(parents.pop(), []):
                    if process not in self._names:
                        self._names[process] = ""
                        parents.append(process.pid)
            now = {process: name_of(process) for process in self._names}
            self._names = {process: name for process, name in now.items() if name is not None}
            return self._names | ({self.process: "driver"} if self.code is None else {})

    def find(self, victim: str) -> list[psutil.Process]:
        """Processes of a kind of `VICTIMS` that are alive."""
        return [process for process, name in self.look().items() if name.startswith(VICTIMS[victim])]

    def left(self, seconds: float, but: tuple[str, ...] = ()) -> list[str]:
        """Names of processes that outlive it by so many seconds."""
        until = time.monotonic() + seconds
        while names := [name for name in self.look().values() if name not in but]:
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        return names

    def _told(self, line: str) -> None:
        self.lines.append(line)
        if ": epoch " in line:
            self.epochs.append(time.time())

    def _read(self, stream: IO[str], keep: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                keep(line.rstrip("\n"))


def name_of(process: psutil.Process) -> str | None:
    """How a process calls itself: its title, or the name of its program; None if it has ended."""
    try:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return None
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return None
    title = words[0] if words else ""
    return title if title.startswith("ray::") else Path(title).name
