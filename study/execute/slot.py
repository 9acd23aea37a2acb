"""A place where one trial at a time runs: starts worker groups, and decides what happens when one breaks off."""

import pickle
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from study.capacity import Capacity
from study.cluster_address import cluster_address
from study.errors import ClusterError, UserError
from study.events import Event, Note, Trial, TrialEnded
from study.execute.attempts import Attempts
from study.execute.group import free, run_group, tune_result, wait_for_end
from study.execute.holding import Holding, close_running
from study.execute.jobs import Fault, Job
from study.execute.outcome import last_line, write_outcome
from study.execute.purse import Purse
from study.plan import Plan
from study.prediction import checkpointed_epochs
from study.results import ResultStore, attempt_entry
from study.schema import Status

_FINAL: dict[str, Status] = {"oom": "oom", "timeout": "timeout"}
"""Statuses of trials whose last attempt broke off in these ways; of others it is `failed`."""


class Slot:
    """Runs worker groups one after the other, as long as there are jobs. `run` is a thread's target.

    Args:
        dispatcher: the study's `Dispatcher` actor.
        work: reference to the plan, the store and the folders that all machines share.
        plan: the plan.
        store: where the ledger and the rows of failed trials go.
        capacity: what a trial holds.
        attempts: numbers them.
        purse: counts what is held.
        storage: folder for Ray's own files.
    """

    def __init__(
        self,
        dispatcher: Any,
        work: ray.ObjectRef,
        plan: Plan,
        store: ResultStore,
        capacity: Capacity,
        attempts: Attempts,
        purse: Purse,
        storage: Path,
    ) -> None:
        self.dispatcher, self.work, self.plan, self.store = dispatcher, work, plan, store
        self.capacity, self.attempts, self.purse, self.storage = capacity, attempts, purse, storage
        self.execution = plan.study.execution
        self.jobs = self.execution.jobs_per_group if self.execution.warm_groups else 1

    def run(self) -> None:
        """Run groups until there is nothing left to do.

        Raises:
            UserError: the results cannot be written, or the data are not where they should be.
            ClusterError: groups do not start.
        """
        failed_starts = 0
        while ray.get(self.dispatcher.start_group.remote(group_id := uuid.uuid4().hex[:12])):
            error = None
            devices = self.capacity.devices
            startup = Holding(self.store, f"{group_id}-startup", kind="startup", devices=devices, group_id=group_id)
            if cluster_address() is None:
                self.purse.hold(group_id, startup.since)
            else:  # its machine may have to be started first: until then nothing is held
                startup.pause()
            joining = threading.Thread(target=self._end_startup, args=(group_id, startup), daemon=True)
            joining.start()
            try:
                run_group(group_id, self.dispatcher, self.work, self.capacity, self.jobs, self.storage)
            except Exception as caught:
                # Whatever ended the group, its job goes on elsewhere.
                error = caught
            group, closing = ray.get(self.dispatcher.end_group.remote(group_id))
            free(group.placement_group)
            wait_for_end(group.processes, ray.get_runtime_context().get_node_id())
            joining.join()
            fault = group.fault or Fault("lost", _reason(error))
            if closing:
                fault = Fault("interrupted", closing)
            if group.running is not None:
                status = fault.kind if fault.kind in ("timeout", "interrupted") else "lost"
                running = attempt_entry(group.running.trial_id, group.running.attempt)
                close_running(self.store, status, running, time.monotonic() - group.running_since)
            self.purse.release(group_id, self._charge(group_id, time.monotonic() - startup.since, group.jobs, error))
            if fault.kind == "user":
                raise UserError(fault.error)
            if group.running is not None:
                self._settle(group.running, fault)
            failed_starts = failed_starts + 1 if error and not group.jobs and not closing else 0
            if failed_starts > self.execution.max_retries:
                if ray.get(self.dispatcher.is_working.remote()):
                    return  # a machine is gone, others go on; when it comes back, another slot takes this one's place
                raise ClusterError(f"worker groups do not start: {fault.error}") from error
            if failed_starts:
                self._tell(Note(f"a worker group did not start: {fault.error}; another is started"))

    def _end_startup(self, group_id: str, startup: Holding) -> None:
        """Charge the start of a group until its workers are ready."""
        # Should the dispatcher have died, the study ends with an error of its own.
        with suppress(RayError):
            ready, held_since = ray.get(self.dispatcher.joined.remote(group_id))
            if not ready and cluster_address() is None:
                held_since = None  # on this machine it holds devices from when it was asked for
            startup.end("completed" if ready else "lost", started=held_since)
            if held_since is not None:
                self.purse.hold(group_id, startup.since)

    def _charge(self, group_id: str, held_seconds: float, jobs: Sequence[Job], error: Exception | None) -> float:
        """Close the group's ledger: whatever it held that was no attempt of a trial is idle time of the study.

        Returns:
            Device-seconds of the whole group.
        """
        names = [f"{group_id}-startup", f"{group_id}-idle", *(attempt_entry(job.trial_id, job.attempt) for job in jobs)]
        entries = {entry["entry_id"]: entry for entry in self.store.entries(names) if entry["group_id"] == group_id}
        if f"{group_id}-idle" in entries:
            others = [entry for entry in entries.values() if entry["kind"] != "idle"]
            held = held_seconds - sum(entry["held_seconds"] for entry in others)
            idle = entries[f"{group_id}-idle"]
            idle |= {"held_seconds": max(0.0, held), "status": "lost" if error else "completed"}
            self.store.write_ledger(idle)
        return sum(entry["devices"] * entry["held_seconds"] for entry in entries.values())

    def _settle(self, job: Job, fault: Fault) -> None:
        """Decide on a job that broke off: another attempt, or the trial's final row."""
        trial: Trial = pickle.loads(job.trial)
        again = fault.kind not in ("oom", "interrupted") and job.retry < self.execution.max_retries
        if again:
            seconds = expected_seconds(self.plan, self.store, trial)
            retry = replace(job, attempt=self.attempts.next(job.trial_id), retry=job.retry + 1, seconds=seconds)
            if ray.get(self.dispatcher.submit.remote(retry, first=True)):
                text = f"{self.plan.label(trial)}: {fault.error}; goes on from its last checkpoint"
                self._tell(Note(text))
                return
            fault = Fault("interrupted", fault.error)
        status: Status = "interrupted" if fault.kind == "interrupted" else _FINAL.get(fault.kind, "failed")
        devices = self.capacity.devices
        row = write_outcome(
            trial, self.plan, self.store, status, attempts=job.attempt, devices=devices, error=fault.error
        )
        self._tell(TrialEnded(trial, row), job.trial_id)

    def _tell(self, event: Event, trial_id: str = "") -> None:
        ray.get(self.dispatcher.report.remote(pickle.dumps(event), trial_id, tune_result(event)))


def expected_seconds(plan: Plan, store: ResultStore, trial: Trial) -> float | None:
    """How long a trial should take from its last checkpoint to its end; None where nothing is known.

    Without a budget nobody needs to know, and no files are looked at.
    """
    if plan.study.execution.budget_device_seconds is None:
        return None
    done = checkpointed_epochs(store, [trial]).get(trial.trial_id, 0)
    predicted = plan.predictions.predictor.of_trial(trial, done)
    return None if predicted is None else predicted.left_wall_seconds


def _reason(error: Exception | None) -> str:
    """Why a group ended, in one line."""
    if error is None:
        return "the group ended before its job did"
    of_workers = list((getattr(error, "worker_failures", None) or {}).values())
    who, cause = ("a worker died", of_workers[0]) if of_workers else (type(error).__name__, error)
    return f"{who}: {last_line(str(cause)).partition(' Some common causes')[0]}"
