"""The actor between driver, Ray Tune and worker groups: hands out jobs, carries events, ends what hangs."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ray.actor import ActorHandle

from study.execute.allowance import Allowance
from study.execute.group_state import GroupState
from study.execute.jobs import Fault, Job
from study.execute.verdict import Verdict

MOST_CALLS = 100_000
"""Calls that it takes at a time. Two of every slot wait in it (`joined`, `result`); beyond, it would answer nobody."""

_INTERRUPTED: dict[str, Any] = {"epoch": 0, "done": True, "status": "interrupted"}
"""What Ray Tune sees of a trial that this run will not end."""


class Dispatcher:
    """Jobs come from the searcher (`submit`) and go to the next free group (`next_job`); events go to the driver.

    Args:
        timeout_seconds: a job that takes longer is ended by killing its workers.
        startup_seconds: what the start of a group takes, as far as is known.
        stop_after: trials end after so many epochs.
        workers: of a group; it gets its first job when all of them have joined, for a job's time runs from then.
    """

    def __init__(
        self,
        timeout_seconds: float | None = None,
        startup_seconds: float = 0.0,
        stop_after: int | None = None,
        workers: int = 0,
    ) -> None:
        self._timeout_seconds, self._workers = timeout_seconds, workers
        self._allowance = Allowance(startup_seconds)
        self._stop_after = math.inf if stop_after is None else stop_after
        self._changed = asyncio.Condition()
        self._queue: deque[Job] = deque()
        self._groups: dict[str, GroupState] = {}
        self._events: list[bytes] = []
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._judged: dict[str, tuple[int, Verdict]] = {}
        self._complete = False
        self._closed = self._finishing = False
        self._reason = ""

    # For the searcher and Ray Tune.

    async def submit(self, job: Job, *, first: bool = False) -> bool:
        """Queue a job; a retry comes before the others. Returns whether jobs are still taken."""
        if self._finishing:
            self._results[job.trial_id] = [_INTERRUPTED]
            await self._notify()
            return False
        if first:
            self._queue.appendleft(job)
        else:
            self._results.pop(job.trial_id, None)  # of before it paused
            self._queue.append(job)
        self._drop_late()
        await self._notify()
        return not self._closed

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
            return _INTERRUPTED
        result = results[min(index, len(results) - 1)]
        if result["done"]:
            results[:] = [result]
        return result

    async def judge(self, trial_id: str, epoch: int, verdict: Verdict) -> None:
        """What an early stopping says of a trial after an epoch."""
        self._judged[trial_id] = (epoch, verdict)
        await self._notify()

    # For worker groups.

    async def start_group(self, group_id: str) -> bool:
        """Whether one more group is to start. With a budget, waits until it is enough for a job and the group now."""

        def nothing_left() -> bool:
            return self._complete and len(self._queue) <= len(self._free())

        await self._wait(lambda: nothing_left() or not self._allowance.limited or self._has_job_for_another())
        if self._closed or nothing_left():
            return False
        self._groups[group_id] = GroupState()
        return True

    async def reserve(self, group_id: str, placement_group: Any) -> None:
        """What Ray has reserved for a group, whose workers start now: it holds devices."""
        self._groups[group_id].placement_group = placement_group
        self._groups[group_id].held_since = time.time()

    async def join(
        self, group_id: str, worker: ActorHandle, process: tuple[str, int], held_since: float | None
    ) -> None:
        """A worker of a group is ready; the first one says since when, in seconds since the epoch, it holds devices."""
        group = self._groups[group_id]
        group.workers.append(worker)
        group.processes.append(process)
        if held_since is not None:
            group.held_since, group.ready = held_since, True
        await self._notify()

    async def next_job(self, group_id: str, index: int) -> Job | None:
        """The group's job of this index, the same for all its workers; None if there is nothing left to do."""
        group = self._groups[group_id]

        def asked() -> bool:
            # Ranks that are ahead wait for the others: one job after the other.
            more = bool(self._queue) or self._complete
            free = group.running is None and len(group.workers) >= self._workers
            return len(group.jobs) > index or group.leaving or (free and more)

        await self._wait(asked)
        if len(group.jobs) > index:
            return group.jobs[index]
        # What does not fit beside the others is for later: the group does not hold its devices until then.
        if self._closed or group.leaving or not self._queue or not self._affords([self._queue[0]], another_group=False):
            group.leaving = True
            await self._notify()
            return None
        job = self._queue.popleft()
        group.begin(job, self._timeout_seconds)
        await self._notify()
        return job

    async def report(
        self,
        event: bytes,
        trial_id: str,
        result: dict[str, Any],
        *,
        group_id: str | None = None,
        judged: bool = False,
        more: bool = True,
    ) -> Verdict:
        """An event of a trial, packed for the driver, with its result for Ray Tune.

        Args:
            event: the event.
            trial_id: whose.
            result: empty if it is nothing to Ray Tune.
            group_id: the group that works on it, if one does.
            judged: whether it waits for the verdict of an early stopping.
            more: whether another epoch would follow.

        Returns:
            Whether the trial goes on. If it is judged, Ray Tune has seen the result by then.

        Raises:
            LookupError: the group was given up, as when its machine was cut off; its trial is another's by now.
        """
        if group_id is not None and group_id not in self._groups:
            raise LookupError("this worker group was taken for lost; the trial goes on elsewhere")
        self._events.append(event)
        if result:
            self._results.setdefault(trial_id, []).append(result)
        if result.get("done"):
            for group in self._groups.values():
                if group.running is not None and group.running.trial_id == trial_id:
                    group.finish()
        await self._notify()
        if "epoch" not in result or result["done"]:
            return Verdict.GO_ON
        if result["epoch"] >= self._stop_after:
            return Verdict.STOP
        if judged:
            await self._wait(lambda: self._judged.get(trial_id, (0, None))[0] >= result["epoch"])
            epoch, verdict = self._judged.get(trial_id, (0, Verdict.GO_ON))
            if epoch == result["epoch"] and verdict is not Verdict.GO_ON:
                return verdict
        if more and self._finishing:
            return Verdict.FINISH
        if not more or self._allowance.allows_epoch(result["seconds"], len(self._groups)):
            return Verdict.GO_ON
        self._allowance.short = True
        self._drop_late()
        await self._notify()
        return Verdict.INTERRUPT

    async def fault(self, group_id: str, fault: Fault) -> None:
        """A worker breaks off; the first to say so knows why."""
        if (group := self._groups.get(group_id)) is not None:
            group.fault = group.fault or fault

    # For the driver.

    async def is_working(self) -> bool:
        """Whether any group is ready."""
        return any(group.ready for group in self._groups.values())

    async def joined(self, group_id: str) -> tuple[bool, float | None]:
        """Waits until a group is ready or has ended; whether it is ready, and since when it holds devices, if known."""
        group = self._groups[group_id]
        async with self._changed:
            await self._changed.wait_for(lambda: group.ready or group_id not in self._groups)
        return group.ready, group.held_since

    async def end_group(self, group_id: str) -> tuple[GroupState, str]:
        """Forget a group that has ended; returns what was known of it, and why the study is being closed, if it is."""
        group = self._groups.pop(group_id)
        self._drop_late()
        await self._notify()
        group.drop_deadline()
        return group, self._reason

    async def events(self, timeout_seconds: float) -> list[bytes]:
        """Events since the last call; waits for one, but not longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._wait(lambda: bool(self._events))
        events, self._events = self._events, []
        return events

    async def set_left(self, seconds: float) -> None:
        """The budget still lasts one worker group for so long: jobs that would take longer are dropped."""
        self._allowance.set(seconds)
        self._drop_late()
        await self._notify()

    async def finish(self) -> None:
        """Let every job end after its epoch, and start none."""
        self._finishing = self._complete = True
        for job in self._queue:
            self._results.setdefault(job.trial_id, []).append(_INTERRUPTED)
        self._queue.clear()
        await self._notify()

    async def close(self, reason: str = "the study was interrupted") -> None:
        """End everything now: kill the workers, and let whoever waits go."""
        self._closed, self._reason = True, self._reason or reason
        await self._notify()
        for group in self._groups.values():
            group.kill()

    async def _wait(self, ready: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or ready())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _free(self) -> list[GroupState]:
        """Groups that will take a job."""
        return [group for group in self._groups.values() if group.running is None and not group.leaving]

    def _has_job_for_another(self) -> bool:
        """Whether there is a job that no group is free for, and the budget is enough for it and another group now."""
        free = len(self._free())
        return len(self._queue) > free and self._affords(list(self._queue)[: free + 1], another_group=True)

    def _drop_late(self) -> None:
        """Drop queued jobs that the budget would not be enough for, even if all that run ended now."""
        for job in list(self._queue):
            if not self._affords([job], another_group=not self._groups, beside_others=False):
                self._queue.remove(job)
                self._results.setdefault(job.trial_id, []).append({"epoch": 0, "done": True, "status": None})

    def _affords(self, jobs: Sequence[Job], *, another_group: bool, beside_others: bool = True) -> bool:
        others = self._groups.values() if beside_others else ()
        busy = sum(group.busy_seconds(self._allowance.startup_seconds) for group in others)
        seconds = [job.seconds for job in jobs]
        return self._allowance.affords(seconds, busy, len(self._groups), another_group=another_group)
