"""The dispatcher alone, with as many calls waiting for it as so many slots bring, and all that a trial tells it."""

import time
from typing import Any

import pandas as pd
import psutil
import ray
from ray.exceptions import GetTimeoutError

from study.execute.cluster import connected
from study.execute.dispatcher import MOST_CALLS, Dispatcher
from study.execute.jobs import Job

GIVE_UP_SECONDS = 60.0
EPOCHS = 2


def measure(slots: list[int]) -> None:
    """Print what a trial costs the dispatcher beside so many slots, or that it answers no more."""
    with connected(1):
        print(pd.DataFrame([beside(number) for number in slots]).round(2).to_string(index=False))


def beside(slots: int) -> dict[str, Any]:
    """Groups that start and trials that are followed wait, while the groups become ready and run a trial each."""
    actor: Any = ray.remote(Dispatcher).options(num_cpus=0, max_concurrency=MOST_CALLS).remote()
    names = [f"{i:012}" for i in range(slots)]
    process = psutil.Process(ray.get(actor.__ray_call__.remote(lambda _: __import__("os").getpid())))
    try:
        ray.get([actor.start_group.remote(name) for name in names], timeout=GIVE_UP_SECONDS)
        joined = [actor.joined.remote(name) for name in names]
        ray.get([actor.submit.remote(Job(name, 1, 0, b"")) for name in names], timeout=GIVE_UP_SECONDS)
        followed = [actor.result.remote(name, EPOCHS) for name in [*names, "ahead"]]
        ray.get([actor.join.remote(name, None, ("", 0), 1.0) for name in names], timeout=GIVE_UP_SECONDS)
        ray.get(joined, timeout=GIVE_UP_SECONDS)
        begin, start = sum(process.cpu_times()[:2]), time.monotonic()
        for name in names:
            job = ray.get(actor.next_job.remote(name, 0), timeout=GIVE_UP_SECONDS)
            for epoch in range(1, EPOCHS + 1):
                result = {"epoch": epoch, "done": False, "seconds": 1.0}
                ray.get(actor.report.remote(b"", job.trial_id, result), timeout=GIVE_UP_SECONDS)
            ray.get(actor.report.remote(b"", job.trial_id, {"epoch": 1, "done": True}), timeout=GIVE_UP_SECONDS)
        ray.get(followed[:-1], timeout=GIVE_UP_SECONDS)
        spent = sum(process.cpu_times()[:2]) - begin
        told = {"ms_of_processor_a_trial": spent / slots * 1e3, "trials_a_second": slots / (time.monotonic() - start)}
    except GetTimeoutError:
        told = {"answers": False}
    finally:
        ray.kill(actor)
    return {"slots": slots, "calls_waiting": 2 * slots + 1, "answers": True, **told}
