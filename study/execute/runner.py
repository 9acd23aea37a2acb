"""Runs the missing trials of a plan with Ray, and charges what it holds."""

import pickle
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.capacity import Capacity
from study.cluster_address import cluster_address
from study.errors import ClusterError, UserError
from study.events import Note, OnEvent, Trial, TrialEnded
from study.execute.attempts import Attempts
from study.execute.cluster import connected
from study.execute.dispatcher import MOST_CALLS, Dispatcher
from study.execute.folders import SharedFolders, shared_folders
from study.execute.holding import close_running
from study.execute.interrupt import FirstInterrupt
from study.execute.jobs import Job
from study.execute.lost import get, lost_part
from study.execute.machines import cluster_capacity
from study.execute.outcome import last_line
from study.execute.purse import Purse
from study.execute.search import TUNE, ProposedTrials, search
from study.execute.slot import Slot, expected_seconds
from study.execute.stopping import Judge, Rule, TuneRule, earlier_results
from study.execute.verdict import Verdict
from study.housekeeping import HouseKeeper
from study.plan import Plan
from study.results import LAST, ResultStore, cost
from study.search.promotion import Rungs
from study.search.proposers import make_proposer
from study.search_config import ASHA

_LOOK_SECONDS = 1.0
"""How often the driver looks at its threads and at the budget while there are no events."""

_LOOK_AT_MACHINES_SECONDS = 5.0
"""How often the driver asks a cluster for its machines."""

_END_SECONDS = 30.0
"""How long the driver waits for its threads at the end."""


def run_study(
    plan: Plan,
    store: ResultStore,
    on_event: OnEvent,
    *,
    tune_folder: Path | None = None,
    stop_after: int | None = None,
    wait: bool = False,
) -> None:
    """Run the missing trials of a plan, as many at once as fit, and return when each has its row.

    A trial that fails is tried again from its checkpoint, and if that does not help gets a row that says so. After an
    exception, Ctrl-C included, unfinished trials keep their checkpoints and get rows with status `interrupted`; run
    again, the study goes on from there. So it does when the budget is spent; trials that do not fit are not started.

    Args:
        plan: trials and data.
        store: where rows, checkpoints, ledger and logs go.
        on_event: called with every event, in order, in this thread.
        tune_folder: where Ray Tune's own record of the search is put at the end, for Tune's tools; default: nowhere.
        stop_after: end every trial after so many epochs, as `pruned`.
        wait: where no trial fits on the cluster yet, wait for machines that join it.

    Raises:
        UserError: not one trial fits on the machine or the cluster, or the results cannot be written.
        ClusterError: Ray broke, or worker groups do not start; unfinished trials keep their checkpoints.
    """
    try:
        with (
            connected(plan.study.execution.cpus_per_worker) as storage,
            shared_folders(plan.study.data, store) as folders,
        ):
            capacity = _capacity(plan, folders, on_event, wait=wait)
            for trial_id in plan.restart:  # only now that the study can really start
                store.discard(trial_id)
            try:
                _Run(plan, store, folders, capacity, storage, stop_after, log=tune_folder is not None).run(on_event)
            finally:
                if tune_folder is not None and (storage / TUNE).exists():
                    _keep(storage / TUNE, tune_folder, on_event)
    finally:
        close_running(store, "interrupted")


def _capacity(plan: Plan, folders: SharedFolders, on_event: OnEvent, *, wait: bool) -> Capacity:
    """What fits on the machine or the cluster, whose machines see what they have to.

    Raises:
        UserError: not one trial fits, or a machine does not see a folder.
        ClusterError: a machine that is asked does not answer.
    """
    try:
        capacity = cluster_capacity(plan.study.execution, wait=wait, tell=lambda line: on_event(Note(line)))
        folders.refuse_blind_machines(plan.study.execution)
    except RayError as error:
        raise ClusterError(f"a machine of the cluster does not answer: {last_line(str(error))}") from None
    return capacity


class _Run:
    """The parts of a running study."""

    def __init__(
        self,
        plan: Plan,
        store: ResultStore,
        folders: SharedFolders,
        capacity: Capacity,
        storage: Path,
        stop_after: int | None,
        *,
        log: bool,
    ) -> None:
        self.plan, self.store, self.capacity, self.storage = plan, store, capacity, storage
        study = plan.study
        ledger = store.ledger()
        startups = [entry["held_seconds"] for entry in ledger if entry["kind"] == "startup"]
        known = plan.predictions.predictor.group_seconds
        startup_seconds = statistics.median(startups) if startups else known or 0.0
        slots = min(capacity.slots, self._most_slots)
        self.keeper = HouseKeeper(store, study.execution.keep_checkpoints)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.dispatcher: Any = (
            ray.remote(Dispatcher)
            .options(num_cpus=0, max_concurrency=MOST_CALLS, scheduling_strategy=here)
            .remote(study.execution.trial_timeout_seconds, startup_seconds, stop_after, capacity.workers)
        )
        spent = cost(ledger)["device_seconds"]
        self.purse = Purse(study.execution.budget_device_seconds, spent, capacity.devices)
        self.attempts = Attempts(store)
        self.notes: list[str] = []
        self.judged: set[str] = set()
        rungs = None
        if isinstance(study.early_stopping, ASHA) and study.early_stopping.promote:
            rungs = Rungs(study.early_stopping, study.train.epochs)
        judge = self._judge(rungs)
        self.proposer = make_proposer(
            study,
            plan.splits.data_hash,
            plan.missing,
            store,
            note=self.notes.append,
            rungs=rungs,
            paused=plan.paused,
            settle=self._settle,
        )
        # One more than run, so that a free group finds its next job waiting; but a search waits for what it can learn.
        self.ahead = 1 if study.search is None and rungs is None else 0
        self.searcher = ProposedTrials(self.dispatcher, self.proposer, slots + self.ahead, self._job)
        self.work = ray.put((plan.for_workers(), store, folders))
        self.search = _Thread(lambda: search(self.dispatcher, self.searcher, judge, storage, log=log))
        self.slots: list[_Thread] = []
        self._add_slots(slots)
        self.next_look = time.monotonic() + _LOOK_AT_MACHINES_SECONDS

    def run(self, on_event: OnEvent) -> None:
        """Run until every trial has ended, or the budget is spent.

        Raises:
            ClusterError: Ray broke; nothing has been ended in order then.
        """
        broken: str | None = None
        try:
            with FirstInterrupt(lambda: self._finish(on_event)) as interrupt:
                self._look_at_budget()
                for thread in (self.search, *self.slots):
                    thread.start()
                while self.search.is_alive():
                    self._pass_on(on_event)
                    self._look_at_budget()
                    self._look_at_machines()
                    interrupt.take_effect()
                self._join()
                self._pass_on(on_event)
                interrupt.raise_it()
        except Exception as error:
            broken = lost_part(error)
            if broken is not None:
                raise ClusterError(broken) from None
            raise
        finally:
            if broken is None:
                with suppress(RayError):
                    ray.get(self.dispatcher.close.remote())
                self._join()
                ray.kill(self.dispatcher)
            self.proposer.close()

    def _finish(self, on_event: OnEvent) -> None:
        ray.get(self.dispatcher.finish.remote())
        on_event(Note("interrupted: epochs under way are finished and saved; Ctrl-C again stops now"))

    def _join(self) -> None:
        """Wait for the threads, but not for ever: a group whose machine never came cannot be called back."""
        until = time.monotonic() + _END_SECONDS
        for thread in (self.search, *self.slots):
            thread.join(max(0.0, until - time.monotonic()))

    def _add_slots(self, count: int) -> None:
        for _ in range(count):
            slot = Slot(
                self.dispatcher,
                self.work,
                self.plan,
                self.store,
                self.capacity,
                self.attempts,
                self.purse,
                self.storage,
            )
            self.slots.append(_Thread(slot.run))

    @property
    def _most_slots(self) -> int:
        """More have nothing to do."""
        return self.plan.total - len(self.plan.done)

    def _look_at_machines(self) -> None:
        """Use machines that have joined a cluster since."""
        if time.monotonic() < self.next_look or cluster_address() is None:
            return
        self.next_look = time.monotonic() + _LOOK_AT_MACHINES_SECONDS
        try:
            capacity = cluster_capacity(self.plan.study.execution)
        except UserError:  # all have gone; some may come back
            return
        # One that has ended with an error stays until that is raised.
        alive = [slot for slot in self.slots if slot.is_alive() or slot.error is not None]
        more = min(capacity.slots, self._most_slots) - len(alive)
        if more > 0:
            self.slots = list(alive)
            self._add_slots(more)
            for slot in self.slots[len(alive) :]:
                slot.start()
            self.searcher.most = len(self.slots) + self.ahead

    def _pass_on(self, on_event: OnEvent) -> None:
        """Pass on what happened, and raise what threads ended with."""
        for packed in get(self.dispatcher.events.remote(_LOOK_SECONDS if self.search.is_alive() else 0.0)):
            event = pickle.loads(packed)
            on_event(event)
            if isinstance(event, TrialEnded):
                self.keeper.trial_ended(event.row)
        while self.notes:
            on_event(Note(self.notes.pop(0)))
        for thread in (self.search, *self.slots):
            if thread.error is not None:
                raise thread.error

    def _look_at_budget(self) -> None:
        if self.plan.study.execution.budget_device_seconds is None:
            return
        ray.get(self.dispatcher.set_left.remote(self.purse.left))
        if self.purse.is_empty:
            ray.get(self.dispatcher.close.remote("the budget is spent"))

    def _job(self, trial: Trial) -> Job:
        attempt = self.attempts.next(trial.trial_id)
        if judged := self._is_judged(trial):
            self.judged.add(trial.trial_id)
        seconds = expected_seconds(self.plan, self.store, trial)
        return Job(trial.trial_id, attempt, 0, pickle.dumps(trial), judged, seconds)

    def _is_judged(self, trial: Trial) -> bool:
        """Finalists of a search are not: their figures are to be reported, so they run to the end."""
        study = self.plan.study
        return study.early_stopping is not None and (study.search is None or trial.seed == study.seeds[0])

    def _judge(self, rungs: Rungs | None) -> Judge | None:
        """What judges epochs, with all that earlier runs know."""
        study = self.plan.study
        if study.early_stopping is None:
            return None
        rule: Rule = rungs or TuneRule(study.early_stopping, study.train.epochs)
        known = [trial.trial_id for trial in self.plan.trials if self._is_judged(trial)]
        for earlier in earlier_results(self.store, known):
            rule.remember(earlier)
        otherwise = Verdict.STOP if rungs is None else Verdict.PAUSE
        return Judge(rule, otherwise, self.dispatcher, self.judged.__contains__)

    def _settle(self, trial: Trial) -> Mapping[str, Any]:
        """End a paused trial for good."""
        self.store.delete_checkpoint(trial.trial_id, LAST)
        row = self.store.trial(trial.trial_id)
        assert row is not None, "a trial that paused has a row"
        ray.get(self.dispatcher.report.remote(pickle.dumps(TrialEnded(trial, row)), trial.trial_id, {}))
        return row


def _keep(record: Path, folder: Path, on_event: OnEvent) -> None:
    """Copy Ray Tune's record of a search; that it cannot be kept does not end a study."""
    try:
        shutil.copytree(record, folder)
    except OSError as error:
        on_event(Note(f"--log tune: the record of Ray Tune cannot be kept in {folder}: {error}".splitlines()[0]))


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
