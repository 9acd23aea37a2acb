"""The actor between driver, Ray Tune and worker groups: hands out jobs, carries events, ends what hangs."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError


@dataclass(frozen=True)
class Job:
    """An attempt that a worker group is to run.

    Attributes:
        trial_id: the trial.
        attempt: of this trial, over all runs of the study, from 1.
        retry: attempts in this run before this one.
        trial: the pickled `study.events.Trial`; this actor leaves it packed, which spares it torch.
    """

    trial_id: str
    attempt: int
    retry: int
    trial: bytes


@dataclass(frozen=True)
class Fault:
    """Why a group broke off: `lost`, `timeout`, `oom`, or `results` that cannot be written, and one line."""

    kind: str
    error: str


@dataclass
class GroupState:
    """What is known of a worker group.

    Attributes:
        workers: its actors.
        placement_group: what Ray reserved for it.
        jobs: all it was given; the last one may be running.
        running: the job it works on.
        fault: the first one that was told.
    """

    workers: list[ActorHandle] = field(default_factory=list)
    placement_group: Any = None
    jobs: list[Job] = field(default_factory=list)
    running: Job | None = None
    fault: Fault | None = None
    deadline: asyncio.TimerHandle | None = None


class Dispatcher:
    """Jobs come from the searcher (`submit`) and go to the next free group (`next_job`); events go to the driver.

    Args:
        timeout_seconds: a job that takes longer is ended by killing its workers.
        stop_after: trials end after so many epochs.
    """

    def __init__(self, timeout_seconds: float | None = None, stop_after: int | None = None) -> None:
        self._timeout_seconds = timeout_seconds
        self._stop_after = stop_after
        self._changed = asyncio.Condition()
        self._queue: deque[Job] = deque()
        self._groups: dict[str, GroupState] = {}
        self._events: list[bytes] = []
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._stopping: set[str] = set()
        self._complete = False
        self._closed = False

    # For the searcher and Ray Tune.

    async def submit(self, job: Job, *, first: bool = False) -> None:
        """Queue a job; a retry comes before the others."""
        self._queue.appendleft(job) if first else self._queue.append(job)
        await self._notify()

    async def no_more_jobs(self) -> None:
        """Nothing new will be submitted: groups without a job may end."""
        self._complete = True
        await self._notify()

    async def result(self, trial_id: str, index: int) -> dict[str, Any]:
        """A trial's result of this index, from 0, for Ray Tune; waits until it is there.

        The results before the last are dropped once that has been read: whoever asks again gets the last.
        """
        results = self._results.setdefault(trial_id, [])

        def ready() -> bool:
            return len(results) > index or bool(results and results[-1]["done"])

        await self._wait(ready)
        if not ready():
            return {"status": "interrupted", "done": True}
        result = results[min(index, len(results) - 1)]
        if result["done"]:
            results[:] = [result]
        return result

    async def stop(self, trial_id: str) -> None:
        """End a trial after its current epoch."""
        self._stopping.add(trial_id)

    # For worker groups.

    async def start_group(self, group_id: str) -> bool:
        """Whether one more group has something to do; it is expected to start then."""
        free = sum(group.running is None for group in self._groups.values())
        needed = not self._closed and (not self._complete or len(self._queue) > free)
        if needed:
            self._groups[group_id] = GroupState()
        return needed

    async def join(self, group_id: str, worker: ActorHandle, placement_group: Any) -> None:
        """A worker of a group is ready."""
        group = self._groups[group_id]
        group.workers.append(worker)
        group.placement_group = placement_group

    async def next_job(self, group_id: str, index: int) -> Job | None:
        """The group's job of this index, the same for all its workers; None if there is nothing left to do."""
        group = self._groups[group_id]
        await self._wait(lambda: len(group.jobs) > index or bool(self._queue) or self._complete)
        if len(group.jobs) > index:
            return group.jobs[index]
        if self._closed or not self._queue:
            return None
        group.running = self._queue.popleft()
        group.jobs.append(group.running)
        if self._timeout_seconds is not None:
            loop = asyncio.get_running_loop()
            group.deadline = loop.call_later(self._timeout_seconds, self._expire, group, group.running)
        return group.running

    async def report(self, event: bytes, trial_id: str, result: dict[str, Any]) -> bool:
        """An event of a trial, packed for the driver, with its result for Ray Tune.

        Returns:
            Whether the trial is to stop.
        """
        self._events.append(event)
        if result:
            self._results.setdefault(trial_id, []).append(result)
        if result.get("done"):
            for group in self._groups.values():
                if group.running is not None and group.running.trial_id == trial_id:
                    self._finish(group)
        await self._notify()
        return trial_id in self._stopping or result.get("epoch", 0) >= (self._stop_after or math.inf)

    async def fault(self, group_id: str, fault: Fault) -> None:
        """A worker breaks off; the first to say so knows why."""
        group = self._groups[group_id]
        group.fault = group.fault or fault

    # For the driver.

    async def end_group(self, group_id: str) -> tuple[GroupState, bool]:
        """Forget a group that has ended; returns what was known of it, and whether the study is being closed."""
        group = self._groups.pop(group_id)
        if group.deadline is not None:
            group.deadline.cancel()
        group.deadline = None
        return group, self._closed

    async def events(self, timeout_seconds: float) -> list[bytes]:
        """Events since the last call; waits for one, but not longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._wait(lambda: bool(self._events))
        events, self._events = self._events, []
        return events

    async def close(self) -> None:
        """End everything now: kill the workers, and let whoever waits go."""
        self._closed = True
        await self._notify()
        for group in self._groups.values():
            self._kill(group)

    async def _wait(self, ready: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or ready())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _finish(self, group: GroupState) -> None:
        group.running = None
        if group.deadline is not None:
            group.deadline.cancel()
            group.deadline = None

    def _expire(self, group: GroupState, job: Job) -> None:
        if group.running is job:
            group.fault = group.fault or Fault("timeout", f"no end after {self._timeout_seconds:g} seconds")
            self._kill(group)

    def _kill(self, group: GroupState) -> None:
        for worker in group.workers:
            # One that is dead already is no fault.
            with contextlib.suppress(RayError, ValueError):
                ray.kill(worker)
