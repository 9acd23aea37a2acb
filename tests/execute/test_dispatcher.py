"""The dispatcher's own logic, in this process: an actor's methods are coroutines like any others."""

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from study.execute import allowance, group_state
from study.execute.dispatcher import Dispatcher
from study.execute.jobs import Fault, Job
from study.execute.verdict import Verdict


def job(name, retry=0):
    return Job(name, attempt=retry + 1, retry=retry, trial=b"")


def epoch(number):
    return {"epoch": number, "seconds": 10.0, "done": False}


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, timeout=10))


async def groups(dispatcher, *names):
    for name in names:
        assert await dispatcher.start_group(name)


async def is_waiting(awaitable):
    await asyncio.sleep(0.01)
    return not awaitable.done()


def test_jobs_go_out_in_order_each_once_and_retries_first():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a", "b")
        for name in "xyz":
            await dispatcher.submit(job(name))
        assert await dispatcher.next_job("a", 0) == job("x")
        await dispatcher.submit(job("x", retry=1), first=True)
        assert await dispatcher.next_job("b", 0) == job("x", retry=1)
        await dispatcher.report(b"", "x", {"done": True})
        assert await dispatcher.next_job("a", 1) == job("y")
        await dispatcher.no_more_jobs()
        assert await dispatcher.next_job("b", 1) == job("z")
        await dispatcher.report(b"", "y", {"done": True})
        assert await dispatcher.next_job("a", 2) is None

    run(scenario())


def test_a_job_waits_until_all_workers_are_there():
    async def scenario():
        dispatcher = Dispatcher(workers=2)
        await groups(dispatcher, "a")
        await dispatcher.submit(job("x"))
        await dispatcher.join("a", None, ("here", 1), time.time())
        first = asyncio.ensure_future(dispatcher.next_job("a", 0))
        assert await is_waiting(first)
        await dispatcher.join("a", None, ("there", 2), None)
        assert await first == await dispatcher.next_job("a", 0) == job("x")

    run(scenario())


def test_a_group_that_was_given_up_is_not_listened_to():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "cut off", "other")
        await dispatcher.submit(job("x"))
        assert await dispatcher.next_job("cut off", 0) == job("x")
        await dispatcher.end_group("cut off")
        await dispatcher.submit(job("x", retry=1), first=True)
        assert await dispatcher.next_job("other", 0) == job("x", retry=1)
        with pytest.raises(LookupError, match="taken for lost"):
            await dispatcher.report(b"", "x", {"done": True}, group_id="cut off")
        await dispatcher.fault("cut off", Fault("lost", "late"))
        assert await is_waiting(asyncio.ensure_future(dispatcher.next_job("other", 1)))  # it works on its first job
        assert await dispatcher.report(b"1", "x", epoch(1), group_id="other") is Verdict.GO_ON
        assert await dispatcher.events(0) == [b"1"]

    run(scenario())


def test_a_group_that_ends_before_it_is_ready_held_devices_since_they_were_reserved():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a", "b")
        waiting = [asyncio.ensure_future(dispatcher.joined(name)) for name in "ab"]
        before = time.time()
        await dispatcher.reserve("a", None)
        assert await is_waiting(waiting[0])
        assert not await dispatcher.is_working()
        for name in "ab":
            await dispatcher.end_group(name)
        ready, held_since = await waiting[0]
        assert not ready
        assert before <= held_since <= time.time()
        assert await waiting[1] == (False, None)

    run(scenario())


def test_all_workers_of_a_group_get_the_same_job():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a")
        both = [asyncio.ensure_future(dispatcher.next_job("a", 0)) for _ in range(2)]
        assert await is_waiting(both[0])
        await dispatcher.submit(job("x"))
        await dispatcher.submit(job("y"))
        assert await asyncio.gather(*both) == [job("x"), job("x")]
        # A worker that is ahead waits until the first one has told of the end.
        ahead = asyncio.ensure_future(dispatcher.next_job("a", 1))
        assert await is_waiting(ahead)
        await dispatcher.report(b"", "x", {"done": True})
        assert await ahead == await dispatcher.next_job("a", 1) == job("y")

    run(scenario())


def test_all_workers_of_a_group_are_told_that_there_is_nothing_left():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a")
        await dispatcher.no_more_jobs()
        assert await dispatcher.next_job("a", 0) is None
        await dispatcher.submit(job("x", retry=1), first=True)
        assert await dispatcher.next_job("a", 0) is None
        # The retry is not for a group that leaves.
        assert await dispatcher.start_group("b")
        assert await dispatcher.next_job("b", 0) == job("x", retry=1)

    run(scenario())


def test_a_group_starts_only_if_there_is_something_to_do():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a", "b")
        await dispatcher.submit(job("x"))
        await dispatcher.no_more_jobs()
        await dispatcher.next_job("a", 0)
        assert not await dispatcher.start_group("c")
        # The last running job breaks off: its own place starts another group, unless b is free to take it.
        await dispatcher.end_group("a")
        await dispatcher.submit(job("x", retry=1), first=True)
        assert not await dispatcher.start_group("d")
        await dispatcher.end_group("b")
        assert await dispatcher.start_group("d")

    run(scenario())


def test_a_job_that_takes_too_long_is_told_as_a_timeout():
    async def scenario():
        dispatcher = Dispatcher(timeout_seconds=0.05)
        await groups(dispatcher, "a", "b")
        for name in "xyz":
            await dispatcher.submit(job(name))
        await dispatcher.next_job("a", 0)
        await dispatcher.next_job("b", 0)
        await dispatcher.report(b"", "y", {"done": True})
        await asyncio.sleep(0.15)
        slow, _ = await dispatcher.end_group("a")
        fast, _ = await dispatcher.end_group("b")
        assert slow.running == job("x")
        assert slow.fault == Fault("timeout", "no end after 0.05 seconds")
        assert (fast.running, fast.fault) == (None, None)

    run(scenario())


def test_the_first_fault_stands():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a")
        await dispatcher.submit(job("x"))
        await dispatcher.next_job("a", 0)
        await dispatcher.fault("a", Fault("oom", "rank 1 knows why"))
        await dispatcher.fault("a", Fault("lost", "rank 0 only lost its peer"))
        group, closed = await dispatcher.end_group("a")
        assert group.fault == Fault("oom", "rank 1 knows why")
        assert group.running == job("x")
        assert not closed

    run(scenario())


def test_results_are_kept_until_the_last_has_been_read():
    async def scenario():
        dispatcher = Dispatcher()
        first, last = epoch(1), {"epoch": 2, "done": True}
        waiting = asyncio.ensure_future(dispatcher.result("x", 0))
        assert await is_waiting(waiting)
        await dispatcher.report(b"e1", "x", first)
        assert await waiting == first
        await dispatcher.report(b"e2", "x", last)
        assert await dispatcher.result("x", 0) == first
        assert await dispatcher.result("x", 1) == last
        assert await dispatcher.result("x", 0) == last
        assert await dispatcher.events(5) == [b"e1", b"e2"]
        assert await dispatcher.events(0.01) == []

    run(scenario())


def test_a_judged_trial_waits_for_its_verdict():
    async def scenario():
        dispatcher = Dispatcher()
        waiting = asyncio.ensure_future(dispatcher.report(b"", "x", epoch(1), judged=True))
        assert await is_waiting(waiting)
        await dispatcher.judge("y", 1, Verdict.STOP)
        assert await is_waiting(waiting)
        await dispatcher.judge("x", 1, Verdict.GO_ON)
        assert await waiting is Verdict.GO_ON
        # After a restart the same epoch comes again, and is not judged a second time.
        assert await dispatcher.report(b"", "x", epoch(1), judged=True) is Verdict.GO_ON
        waiting = asyncio.ensure_future(dispatcher.report(b"", "x", epoch(2), judged=True))
        assert await is_waiting(waiting)
        await dispatcher.judge("x", 2, Verdict.STOP)
        assert await waiting is Verdict.STOP
        assert await dispatcher.report(b"", "x", epoch(3)) is Verdict.GO_ON

    run(scenario())


DECLINED = {"epoch": 0, "done": True, "status": None}


async def ready(dispatcher, *names):
    """Groups that hold their workers."""
    await groups(dispatcher, *names)
    for name in names:
        await dispatcher.join(name, None, ("node", 1), time.time())


async def submit(dispatcher, **seconds):
    for name, of_job in seconds.items():
        await dispatcher.submit(replace(job(name), seconds=of_job))


def test_jobs_that_the_budget_is_not_enough_for_are_dropped():
    async def scenario():
        dispatcher = Dispatcher()
        await ready(dispatcher, "a")
        await submit(dispatcher, long=100.0, short=1.0, unknown=None)
        await dispatcher.set_left(50)
        assert await dispatcher.result("long", 0) == DECLINED
        assert (await dispatcher.next_job("a", 0)).trial_id == "short"
        await dispatcher.report(b"", "short", {"epoch": 1, "done": True})
        assert (await dispatcher.next_job("a", 1)).trial_id == "unknown"

    run(scenario())


def test_what_fits_once_is_run_in_one_place():
    async def scenario():
        dispatcher = Dispatcher(startup_seconds=4.0)
        await dispatcher.set_left(21)
        await submit(dispatcher, x=10.0, y=10.0)
        await ready(dispatcher, "a")
        other = asyncio.ensure_future(dispatcher.start_group("b"))
        assert (await dispatcher.next_job("a", 0)).trial_id == "x"
        assert await is_waiting(other)
        # What runs may end earlier than expected, so the other job is kept until it is clear that it cannot fit.
        waiting = asyncio.ensure_future(dispatcher.result("y", 0))
        assert await is_waiting(waiting)
        await dispatcher.set_left(11)
        assert await waiting == DECLINED
        await dispatcher.no_more_jobs()
        assert not await other

    run(scenario())


def test_what_fits_after_the_others_waits_for_them():
    async def scenario():
        dispatcher = Dispatcher()
        await dispatcher.set_left(260)
        await submit(dispatcher, x=100.0, y=100.0, z=50.0)
        await ready(dispatcher, "a", "b")
        await dispatcher.next_job("a", 0)
        await dispatcher.next_job("b", 0)
        await dispatcher.report(b"", "x", {"epoch": 1, "done": True})
        # Beside the other job there is not enough; the group lets go of its devices.
        await dispatcher.set_left(150)
        assert await dispatcher.next_job("a", 1) is None
        await dispatcher.end_group("a")
        again = asyncio.ensure_future(dispatcher.start_group("c"))
        assert await is_waiting(again)
        # It was paused before its time.
        await dispatcher.report(b"", "y", {"epoch": 1, "done": True})
        assert (await dispatcher.next_job("b", 1)).trial_id == "z"
        await dispatcher.no_more_jobs()
        assert not await again

    run(scenario())


def test_a_group_starts_only_if_the_jobs_fit_beside_what_runs():
    async def scenario():
        dispatcher = Dispatcher(startup_seconds=20.0)
        await submit(dispatcher, x=10.0)
        await dispatcher.set_left(50)
        await ready(dispatcher, "a")
        # Whether another is worth its start is seen when there is a job for it.
        waiting = asyncio.ensure_future(dispatcher.start_group("b"))
        assert await is_waiting(waiting)
        assert await dispatcher.next_job("a", 0) == replace(job("x"), seconds=10.0)
        await submit(dispatcher, y=15.0)
        assert await is_waiting(waiting)
        await dispatcher.set_left(52)  # 20 + 15 + 10 + 2 * 3
        assert await waiting

    run(scenario())


def test_the_start_of_a_group_is_not_counted_twice(monkeypatch):
    async def scenario():
        dispatcher = Dispatcher(startup_seconds=20.0)
        await submit(dispatcher, x=10.0)
        await dispatcher.set_left(40)
        await groups(dispatcher, "a")
        later = time.monotonic() + 19
        for module in (allowance, group_state):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: later))
        await dispatcher.set_left(21)
        await dispatcher.join("a", None, ("node", 1), time.time())
        assert (await dispatcher.next_job("a", 0)).trial_id == "x"

    run(scenario())


def test_no_group_is_started_that_leaves_no_time_for_a_job():
    async def scenario():
        dispatcher = Dispatcher(startup_seconds=20.0)
        await submit(dispatcher, x=10.0, y=None)
        await dispatcher.set_left(22)
        waiting = asyncio.ensure_future(dispatcher.start_group("a"))
        assert await dispatcher.result("x", 0) == DECLINED
        assert await dispatcher.result("y", 0) == DECLINED
        assert await is_waiting(waiting)
        await dispatcher.no_more_jobs()
        assert not await waiting

    run(scenario())


def test_a_trial_is_interrupted_when_its_next_epoch_would_end_too_late():
    async def scenario():
        dispatcher = Dispatcher()
        await submit(dispatcher, x=None)
        await dispatcher.set_left(16)
        await ready(dispatcher, "a")
        await dispatcher.next_job("a", 0)
        await dispatcher.submit(job("waiting"))
        assert await dispatcher.report(b"", "x", epoch(1)) is Verdict.GO_ON
        await dispatcher.set_left(14)
        assert await dispatcher.report(b"", "x", epoch(2), more=False) is Verdict.GO_ON
        assert await dispatcher.report(b"", "x", epoch(2)) is Verdict.INTERRUPT
        # Nor is anything started of which nobody knows how long it takes.
        assert await dispatcher.result("waiting", 0) == DECLINED

    run(scenario())


def test_two_trials_spend_twice_as_fast_and_the_last_one_has_all_that_is_left():
    async def scenario():
        dispatcher = Dispatcher()
        await submit(dispatcher, x=None, y=None)
        await dispatcher.set_left(31)
        await ready(dispatcher, "a", "b")
        await dispatcher.next_job("a", 0)
        await dispatcher.next_job("b", 0)
        assert await dispatcher.report(b"", "x", epoch(1)) is Verdict.GO_ON
        await dispatcher.set_left(29)
        assert await dispatcher.report(b"", "x", epoch(2)) is Verdict.INTERRUPT
        await dispatcher.end_group("a")
        assert await dispatcher.report(b"", "y", epoch(2)) is Verdict.GO_ON

    run(scenario())


@pytest.mark.parametrize("epochs", [0, 1])
def test_closing_lets_everybody_go(epochs):
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a", "b")
        await dispatcher.submit(job("x"))
        await dispatcher.next_job("a", 0)
        for number in range(epochs):
            await dispatcher.report(b"", "x", epoch(number))
        waiting = [
            asyncio.ensure_future(dispatcher.next_job("b", 0)),
            asyncio.ensure_future(dispatcher.result("x", epochs)),
        ]
        assert await is_waiting(waiting[0])
        assert await is_waiting(waiting[1])
        await dispatcher.close()
        assert await asyncio.gather(*waiting) == [None, {"epoch": 0, "status": "interrupted", "done": True}]
        assert not await dispatcher.start_group("c")
        assert await dispatcher.end_group("a") is not None

    run(scenario())


def test_finishing_ends_trials_after_their_epoch_and_starts_none():
    async def scenario():
        dispatcher = Dispatcher()
        await groups(dispatcher, "a", "b")
        await submit(dispatcher, x=None, waiting=None)
        await dispatcher.next_job("a", 0)
        await dispatcher.finish()
        assert await dispatcher.next_job("b", 0) is None
        assert not await dispatcher.start_group("c")
        assert (await dispatcher.result("waiting", 0))["status"] == "interrupted"
        assert not await dispatcher.submit(job("late"))
        assert (await dispatcher.result("late", 0))["status"] == "interrupted"
        assert await dispatcher.report(b"", "x", epoch(1)) is Verdict.FINISH
        assert await dispatcher.report(b"", "x", epoch(2), more=False) is Verdict.GO_ON
        await dispatcher.report(b"", "x", {**epoch(2), "done": True})
        assert await dispatcher.next_job("a", 1) is None

    run(scenario())
