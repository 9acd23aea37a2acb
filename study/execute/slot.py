"""A place where one trial at a time runs: starts worker groups, and decides what happens when one breaks off."""

import pickle
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray

from study.capacity import Capacity
from study.errors import UserError
from study.events import Event, Note, Trial, TrialEnded
from study.execute.dispatcher import Fault, Job
from study.execute.group import free, run_group, tune_result
from study.execute.outcome import last_line, write_outcome
from study.plan import Plan
from study.results import ResultStore
from study.schema import Status

_FINAL: dict[str, Status] = {"oom": "oom", "timeout": "timeout"}
"""Statuses of trials whose last attempt broke off in these ways; of others it is `failed`."""


class Slot:
    """Runs worker groups one after the other, as long as there are jobs. `run` is a thread's target.

    Args:
        dispatcher: the study's `Dispatcher` actor.
        work: reference to the plan and the store.
        plan: the plan.
        store: where the ledger and the rows of failed trials go.
        capacity: what a trial holds.
        storage: folder for Ray's own files.
    """

    def __init__(
        self, dispatcher: Any, work: ray.ObjectRef, plan: Plan, store: ResultStore, capacity: Capacity, storage: Path
    ) -> None:
        self.dispatcher, self.work, self.plan, self.store = dispatcher, work, plan, store
        self.capacity, self.storage = capacity, storage
        self.execution = plan.study.execution
        self.jobs = self.execution.jobs_per_group if self.execution.warm_groups else 1

    def run(self) -> None:
        """Run groups until there is nothing left to do.

        Raises:
            UserError: the results cannot be written.
            RuntimeError: groups do not start.
        """
        failed_starts = 0
        while ray.get(self.dispatcher.start_group.remote(group_id := uuid.uuid4().hex[:12])):
            started, error = time.time(), None
            try:
                run_group(group_id, self.dispatcher, self.work, self.capacity, self.jobs, self.storage)
            except Exception as caught:
                # Whatever ended the group, its job goes on elsewhere.
                error = caught
            group, closed = ray.get(self.dispatcher.end_group.remote(group_id))
            free(group.placement_group)
            fault = group.fault or Fault("lost", _reason(error))
            if closed:
                fault = Fault("interrupted", "the study was interrupted")
            if group.running is not None:
                status = fault.kind if fault.kind in ("timeout", "interrupted") else "lost"
                close_running(self.store, status, group.running.trial_id, now=time.time())
            self._charge(group_id, started, error)
            if fault.kind == "results":
                raise UserError(fault.error)
            if group.running is not None:
                self._settle(group.running, fault)
            failed_starts = failed_starts + 1 if error and not group.jobs and not closed else 0
            if failed_starts > self.execution.max_retries:
                raise RuntimeError(f"worker groups do not start: {fault.error}") from error

    def _charge(self, group_id: str, started: float, error: Exception | None) -> None:
        """Close the group's ledger: whatever it held that was no attempt of a trial is idle time of the study."""
        now = time.time()
        entries = {entry["entry_id"]: entry for entry in self.store.ledger() if entry["group_id"] == group_id}
        startup = entries.get(f"{group_id}-startup")
        blank = {
            "trial_id": None,
            "attempt": None,
            "group_id": group_id,
            "devices": self.capacity.devices,
            "startup_seconds": 0.0,
            "train_seconds": 0.0,
            "eval_seconds": 0.0,
            "hostname": None,
        }
        if startup is None:
            self.store.write_ledger(
                {
                    **blank,
                    "entry_id": f"{group_id}-startup",
                    "kind": "startup",
                    "started_at": datetime.fromtimestamp(started, UTC),
                    "held_seconds": now - started,
                    "status": "lost",
                }
            )
            return
        others = [entry for entry in entries.values() if entry["kind"] != "idle"]
        held = now - startup["started_at"].timestamp() - sum(entry["held_seconds"] for entry in others)
        idle = entries.get(f"{group_id}-idle", {**blank, "entry_id": f"{group_id}-idle", "kind": "idle"})
        idle.setdefault("started_at", startup["started_at"])
        self.store.write_ledger({**idle, "held_seconds": max(0.0, held), "status": "lost" if error else "completed"})

    def _settle(self, job: Job, fault: Fault) -> None:
        """Decide on a job that broke off: another attempt, or the trial's final row."""
        trial: Trial = pickle.loads(job.trial)
        again = fault.kind not in ("oom", "interrupted") and job.retry < self.execution.max_retries
        if again:
            text = f"{self.plan.label(trial)}: {fault.error}; goes on from its last checkpoint"
            self._tell(Note(text), trial)
            retry = replace(job, attempt=job.attempt + 1, retry=job.retry + 1)
            ray.get(self.dispatcher.submit.remote(retry, first=True))
            return
        status: Status = "interrupted" if fault.kind == "interrupted" else _FINAL.get(fault.kind, "failed")
        devices = self.capacity.devices
        row = write_outcome(trial, self.plan, self.store, status, devices=devices, error=fault.error)
        self._tell(TrialEnded(trial, row), trial)

    def _tell(self, event: Event, trial: Trial) -> None:
        ray.get(self.dispatcher.report.remote(pickle.dumps(event), trial.trial_id, tune_result(event)))


def close_running(store: ResultStore, status: str, trial_id: str | None = None, now: float | None = None) -> None:
    """Close the ledger entries, of one trial or of all, whose holder was killed.

    They are charged up to `now`, seconds since the epoch, or else to the last time that the holder wrote them.
    """
    for entry in store.ledger(trial_id):
        if entry["status"] == "running":
            held = entry["held_seconds"] if now is None else now - entry["started_at"].timestamp()
            store.write_ledger({**entry, "held_seconds": held, "status": status})


def _reason(error: Exception | None) -> str:
    """Why a group ended, in one line."""
    if error is None:
        return "the group ended before its job did"
    of_workers = list((getattr(error, "worker_failures", None) or {}).values())
    who, cause = ("a worker died", of_workers[0]) if of_workers else (type(error).__name__, error)
    return f"{who}: {last_line(str(cause)).partition(' Some common causes')[0]}"
