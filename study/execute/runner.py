"""Runs the missing trials of a plan with Ray, and charges what it holds."""

import pickle
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.capacity import find_capacity
from study.events import OnEvent, TrialEnded
from study.execute.cluster import connected
from study.execute.dispatcher import Dispatcher
from study.execute.search import AHEAD, PlannedTrials, search
from study.execute.slot import Slot, close_running
from study.plan import Plan
from study.results import ResultStore

_LOOK_SECONDS = 2.0
"""How often the driver looks for errors of its threads while there are no events."""

_END_SECONDS = 30.0
"""How long the driver waits for its threads at the end."""


def run_study(plan: Plan, store: ResultStore, on_event: OnEvent) -> None:
    """Run the missing trials of a plan, as many at once as fit, and return when each has its row.

    A trial that fails is tried again from its checkpoint, and if that does not help gets a row that says so. After an
    exception, Ctrl-C included, unfinished trials keep their checkpoints and get rows with status `interrupted`; run
    again, the study goes on from there.

    Args:
        plan: trials and data.
        store: where rows, checkpoints, ledger and logs go.
        on_event: called with every event, in order, in this thread.

    Raises:
        UserError: not one trial fits on the machine, or the results cannot be written.
        RuntimeError: worker groups do not start.
    """
    close_running(store, "lost")
    trials = plan.missing
    if not trials:
        return
    execution = plan.study.execution
    with connected(execution.cpus_per_worker) as storage:
        capacity = find_capacity(execution, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        for trial_id in plan.restart:  # only now that the study can really start
            store.discard(trial_id)
        attempts = Counter(entry["trial_id"] for entry in store.ledger() if entry["kind"] == "attempt")
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        dispatcher: Any = (
            ray.remote(Dispatcher)
            .options(num_cpus=0, max_concurrency=1000, scheduling_strategy=here)
            .remote(execution.trial_timeout_seconds)
        )
        work = ray.put((plan, store))
        searcher = PlannedTrials(dispatcher, trials, attempts, capacity.slots + AHEAD)
        threads = [_Thread(lambda: search(dispatcher, searcher, len(trials), storage))]
        threads += [
            _Thread(Slot(dispatcher, work, plan, store, capacity, storage).run)
            for _ in range(min(capacity.slots, len(trials)))
        ]
        try:
            for thread in threads:
                thread.start()
            _pass_on(dispatcher, threads, {trial.trial_id for trial in trials}, on_event)
            for thread in threads:
                thread.join(_END_SECONDS)
        finally:
            # Should the dispatcher itself have died, its callers end with errors of their own.
            with suppress(RayError):
                ray.get(dispatcher.close.remote())
            for thread in threads:
                thread.join(_END_SECONDS)
            close_running(store, "interrupted")
            ray.kill(dispatcher)


def _pass_on(dispatcher: Any, threads: list["_Thread"], missing: set[str], on_event: OnEvent) -> None:
    """Pass events on until every trial has ended."""
    while missing:
        for packed in ray.get(dispatcher.events.remote(_LOOK_SECONDS)):
            event = pickle.loads(packed)
            on_event(event)
            if isinstance(event, TrialEnded):
                missing.discard(event.trial.trial_id)
        for thread in threads:
            if thread.error is not None:
                raise thread.error
        assert not missing or any(thread.is_alive() for thread in threads), "trials without a row: " + ", ".join(
            missing
        )


class _Thread(threading.Thread):
    """A thread that keeps the error it ends with."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._run = target
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._run()
        except Exception as error:
            self.error = error
