"""A worker group as the dispatcher knows it: who its workers are, what they work on, how long that may take."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from study.execute.jobs import Fault, Job


@dataclass
class GroupState:
    """What is known of a worker group.

    Attributes:
        workers: its actors.
        processes: node and process id of each.
        placement_group: what Ray reserved for it.
        jobs: all it was given; the last one may be running.
        running: the job it works on.
        running_since: when it began (`time.monotonic`, which on one machine is the same to all processes).
        fault: the first one that was told.
        started_at: when it was asked for (`time.monotonic`).
        held_since: since when it holds devices, as far as is known; seconds since the epoch, by its own machine's clock
            once it is ready, before by that of its controller.
        ready: whether its first worker is: what it holds is charged as idle, or to a job, from then.
        leaving: whether it was told that there is nothing to do for it.
    """

    workers: list[ActorHandle] = field(default_factory=list)
    processes: list[tuple[str, int]] = field(default_factory=list)
    placement_group: Any = None
    jobs: list[Job] = field(default_factory=list)
    running: Job | None = None
    running_since: float = 0.0
    fault: Fault | None = None
    started_at: float = field(default_factory=time.monotonic)
    held_since: float | None = None
    ready: bool = False
    leaving: bool = False
    deadline: asyncio.TimerHandle | None = None

    def begin(self, job: Job, timeout_seconds: float | None) -> None:
        """It works on a job now; if that takes longer, its workers are killed."""
        self.running, self.running_since = job, time.monotonic()
        self.jobs.append(job)
        if timeout_seconds is not None:
            self.deadline = asyncio.get_running_loop().call_later(timeout_seconds, self._expire, job, timeout_seconds)

    def finish(self) -> None:
        """Its job has ended."""
        self.running = None
        self.drop_deadline()

    def drop_deadline(self) -> None:
        """Its job may take as long as it likes."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None

    def kill(self) -> None:
        """Kill its workers."""
        for worker in self.workers:
            # One that is dead already is no fault.
            with suppress(RayError, ValueError):
                ray.kill(worker)

    def busy_seconds(self, startup_seconds: float) -> float:
        """How long it will still be at its job, or at starting, as far as is known."""
        now = time.monotonic()
        if self.running is not None and self.running.seconds is not None:
            return max(0.0, self.running.seconds - (now - self.running_since))
        return 0.0 if self.ready else max(0.0, startup_seconds - (now - self.started_at))

    def _expire(self, job: Job, timeout_seconds: float) -> None:
        if self.running is job:
            self.fault = self.fault or Fault("timeout", f"no end after {timeout_seconds:g} seconds")
            self.kill()
