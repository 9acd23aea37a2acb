"""Runs the missing trials of a plan with Ray, and charges what it holds."""

import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.events import Note, OnEvent, Trial
from study.execute.capacity import Capacity, find_capacity
from study.execute.cluster import connected
from study.execute.dispatcher import Dispatcher, Job
from study.execute.purse import Purse
from study.execute.search import ProposedTrials, search
from study.execute.slot import Slot, close_running
from study.execute.stopping import Judge, earlier_results
from study.plan import Plan
from study.results import ResultStore, cost
from study.search.proposer import Proposer, make_proposer

_LOOK_SECONDS = 1.0
"""How often the driver looks at its threads and at the budget while there are no events."""

_END_SECONDS = 30.0
"""How long the driver waits for its threads at the end."""


def run_study(plan: Plan, store: ResultStore, on_event: OnEvent) -> None:
    """Run the missing trials of a plan, as many at once as fit, and return when each has its row.

    A trial that fails is tried again from its checkpoint, and if that does not help gets a row that says so. After an
    exception, Ctrl-C included, unfinished trials keep their checkpoints and get rows with status `interrupted`; run
    again, the study goes on from there. So it does when the budget is spent; trials that do not fit are not started.

    Args:
        plan: trials and data.
        store: where rows, checkpoints, ledger and logs go.
        on_event: called with every event, in order, in this thread.

    Raises:
        UserError: not one trial fits on the machine, or the results cannot be written.
        RuntimeError: worker groups do not start.
    """
    close_running(store, "lost")
    if plan.ended:
        return
    with connected(plan.study.execution.cpus_per_worker) as storage:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        capacity = find_capacity(plan.study.execution, nodes)
        for trial_id in plan.restart:  # only now that the study can really start
            store.discard(trial_id)
        notes: list[str] = []
        proposer = make_proposer(plan.study, plan.splits.data_hash, plan.missing, store, notes.append)
        with closing(proposer):
            _Run(plan, store, capacity, storage, proposer, notes).run(on_event)


class _Run:
    """The parts of a running study."""

    def __init__(
        self,
        plan: Plan,
        store: ResultStore,
        capacity: Capacity,
        storage: Path,
        proposer: Proposer,
        notes: list[str],
    ) -> None:
        self.plan, self.store, self.capacity, self.notes = plan, store, capacity, notes
        execution = plan.study.execution
        ledger = store.ledger()
        slots = min(capacity.slots, plan.total - len(plan.done))
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.dispatcher: Any = (
            ray.remote(Dispatcher)
            .options(num_cpus=0, max_concurrency=1000, scheduling_strategy=here)
            .remote(execution.trial_timeout_seconds)
        )
        self.purse = Purse(execution.budget_device_seconds, cost(ledger)["device_seconds"], slots * capacity.devices)
        # One more than run, so that a free group finds its next job waiting; but a search waits for what it can learn.
        most = slots + 1 if plan.study.search is None else slots
        attempts = Counter(entry["trial_id"] for entry in ledger if entry["kind"] == "attempt")
        searcher = ProposedTrials(self.dispatcher, proposer, attempts, most, self._job)
        work = ray.put((plan, store))
        self.judged: set[str] = set()
        judge = self._judge()
        self.search = _Thread(lambda: search(self.dispatcher, searcher, judge, storage))
        self.slots = [
            _Thread(Slot(self.dispatcher, work, plan, store, capacity, self.purse, storage).run) for _ in range(slots)
        ]

    def run(self, on_event: OnEvent) -> None:
        """Run until every trial has ended, or the budget is spent."""
        threads = [self.search, *self.slots]
        try:
            self._look_at_budget()
            for thread in threads:
                thread.start()
            while self.search.is_alive():
                self._pass_on(on_event)
                self._look_at_budget()
            for thread in threads:
                thread.join(_END_SECONDS)
            self._pass_on(on_event)
        finally:
            # Should the dispatcher itself have died, its callers end with errors of their own.
            with suppress(RayError):
                ray.get(self.dispatcher.close.remote())
            for thread in threads:
                thread.join(_END_SECONDS)
            close_running(self.store, "interrupted")
            ray.kill(self.dispatcher)

    def _pass_on(self, on_event: OnEvent) -> None:
        """Pass on what happened, and raise what threads ended with."""
        for packed in ray.get(self.dispatcher.events.remote(_LOOK_SECONDS if self.search.is_alive() else 0.0)):
            on_event(pickle.loads(packed))
        while self.notes:
            on_event(Note(self.notes.pop(0)))
        for thread in (self.search, *self.slots):
            if thread.error is not None:
                raise thread.error

    def _look_at_budget(self) -> None:
        if self.plan.study.execution.budget_device_seconds is None:
            return
        deadline = self.purse.deadline
        ray.get(self.dispatcher.set_deadline.remote(deadline))
        if time.time() > deadline:
            ray.get(self.dispatcher.close.remote("the budget is spent"))

    def _job(self, trial: Trial, attempt: int) -> Job:
        predicted = self.plan.predicted_device_seconds.get(trial.trial_id)
        seconds = None if predicted is None else predicted / self.capacity.devices
        if judged := self._is_judged(trial):
            self.judged.add(trial.trial_id)
        return Job(trial.trial_id, attempt, 0, pickle.dumps(trial), judged, seconds)

    def _is_judged(self, trial: Trial) -> bool:
        """Finalists of a search are not: their figures are to be reported, so they run to the end."""
        study = self.plan.study
        return study.early_stopping is not None and (study.search is None or trial.seed == study.seeds[0])

    def _judge(self) -> Judge | None:
        study = self.plan.study
        if study.early_stopping is None:
            return None
        judge = Judge(study.early_stopping, study.train.epochs, self.dispatcher, self.judged.__contains__)
        known = [trial.trial_id for trial in self.plan.trials if self._is_judged(trial)]
        judge.recall(earlier_results(self.store, known))
        return judge


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
