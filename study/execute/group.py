"""A worker group that is kept warm: one Ray Train run whose workers take trial after trial."""

import gc
import os
import pickle
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import psutil
import ray
import ray.train
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.config import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer
from ray.util.placement_group import remove_placement_group

from study.capacity import Capacity
from study.errors import UserError
from study.events import EpochFinished, Event, TrialEnded, TrialPaused
from study.execute.folders import not_shared
from study.execute.holding import Holding
from study.execute.jobs import Fault, Job
from study.execute.outcome import last_line
from study.execute.process_group import ProcessGroupConfig
from study.execute.reservation import Reservation
from study.execute.verdict import Verdict
from study.mirror import provide

_USABLE = 0.9
"""Of a share of a GPU: CUDA's own half gigabyte a process is not counted by torch."""


class WarmTrainer(TorchTrainer):
    """A `TorchTrainer` without two helper processes a group that have nothing to do here.

    One shards data sets of Ray, which there are none of. The other asks the dashboard every second whether the
    controller is alive, to free what it reserved; `free` does that once a group has ended.
    """

    def _create_default_callbacks(self) -> list[Any]:
        idle = (DatasetsCallback, PlacementGroupCleanerCallback)
        kept = [callback for callback in super()._create_default_callbacks() if not isinstance(callback, idle)]
        assert self.train_loop_config is not None
        return [*kept, Reservation(self.train_loop_config["group_id"], self.train_loop_config["dispatcher"])]


def run_group(
    group_id: str, dispatcher: Any, work: ray.ObjectRef, capacity: Capacity, jobs: int | None, storage: Path
) -> None:
    """Start a worker group and let it run jobs until there are none left; returns when its devices are free again.

    Args:
        group_id: name of the group.
        dispatcher: the study's `Dispatcher` actor.
        work: reference to the plan, the result store and the folders that all machines share.
        capacity: what a trial holds.
        jobs: end after so many.
        storage: folder for Ray's own files.

    Raises:
        Exception: a worker or the controller died, or a job broke off.
    """
    trainer = WarmTrainer(
        _work,
        train_loop_config={
            "group_id": group_id,
            "dispatcher": dispatcher,
            "work": work,
            "capacity": capacity,
            "jobs": jobs,
            "asked_at": time.time(),
            "folder": os.getcwd(),
        },
        torch_config=ProcessGroupConfig("nccl" if capacity.gpus_per_worker >= 1 else "gloo"),  # type: ignore[arg-type]
        scaling_config=ScalingConfig(
            num_workers=capacity.workers,
            use_gpu=capacity.gpus_per_worker > 0,
            resources_per_worker=capacity.worker_resources,
        ),
        run_config=RunConfig(
            name=group_id,
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
            logging_config=LoggingConfig(log_level="CRITICAL"),
        ),
    )
    trainer.fit()


def free(placement_group: Any) -> None:
    """Release a group's devices, should its controller have died before it could."""
    if placement_group is not None:
        with suppress(ValueError, ray.exceptions.RayError):
            remove_placement_group(placement_group)


def wait_for_end(processes: Iterable[tuple[str, int]], node_id: str, timeout_seconds: float = 10.0) -> None:
    """Wait until a group's workers on this node are gone: they outlive the word of their end, and hold devices.

    Those of other nodes are taken to be gone.

    Args:
        processes: node and process id of each worker.
        node_id: of this node.
        timeout_seconds: not longer than this.
    """
    alive = []
    for name, process_id in processes:
        with suppress(psutil.NoSuchProcess):
            if name == node_id:
                alive.append(psutil.Process(process_id))
    psutil.wait_procs(alive, timeout=timeout_seconds)


def _work(config: dict[str, Any]) -> None:
    """What every worker of a group does."""
    import torch

    dispatcher, group_id, capacity = config["dispatcher"], config["group_id"], config["capacity"]
    torch.set_num_threads(capacity.cpus_per_worker)
    # Relative paths in a configuration are meant from where the study was started; Ray Train gives each worker a folder
    # of its own. A node without that folder has to be given absolute paths.
    with suppress(OSError):
        os.chdir(config["folder"])
    device = torch.device("cpu")
    if capacity.gpus_per_worker:
        from ray.train.torch import get_device

        device = get_device()
        torch.cuda.set_device(device)
        if capacity.gpus_per_worker < 1:  # one trial too large must not be the end of those beside it
            torch.cuda.set_per_process_memory_fraction(_USABLE * capacity.gpus_per_worker, device)
    plan, store, folders = ray.get(config["work"])
    try:
        if (missing := folders.missing()) is not None:
            raise not_shared(missing, [socket.gethostname()])
        provide(plan.study.data, plan.cache_dir)
    except UserError as error:
        _break_off(dispatcher, group_id, error)
    # After the plan: what it needs is imported, and the group is of use from here on.
    from study.execute.attempt import run_attempt

    gc.freeze()  # modules stay: collecting after a trial takes 5 ms instead of 300

    context = ray.get_runtime_context()
    worker, process = context.current_actor, (context.get_node_id(), os.getpid())
    rank = ray.train.get_context().get_world_rank()
    # Devices are held since the first worker's process exists; Ray may have kept that process in stock.
    held_since = max(config["asked_at"], psutil.Process().create_time()) if rank == 0 else None
    ray.get(dispatcher.join.remote(group_id, worker, process, held_since))
    idle = None
    if rank == 0:
        idle = Holding(store, f"{group_id}-idle", kind="idle", devices=capacity.devices, group_id=group_id)
    for index in count() if config["jobs"] is None else range(config["jobs"]):
        job = ray.get(dispatcher.next_job.remote(group_id, index))
        if job is None:
            break
        report = _Reporter(dispatcher, group_id, job)
        try:
            row = run_attempt(
                pickle.loads(job.trial),
                plan,
                store,
                attempt=job.attempt,
                device=device,
                devices=capacity.devices,
                group_id=group_id,
                report=report,
                verdict=report.verdict,
                idle=idle,
            )
            if row is not None and row["status"] == "oom":
                raise MemoryError(row["error"])
            if row is not None and row["status"] == "failed" and capacity.workers > 1:
                raise RuntimeError(row["error"])  # the other ranks may still wait for this one
        except Exception as error:
            _break_off(dispatcher, group_id, error)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


class _Reporter:
    """Sends a trial's events to the driver, and its figures to Ray Tune."""

    def __init__(self, dispatcher: Any, group_id: str, job: Job) -> None:
        self._dispatcher, self._group_id, self._job, self._verdict = dispatcher, group_id, job, Verdict.GO_ON

    def __call__(self, event: Event) -> None:
        more = isinstance(event, EpochFinished) and event.epoch < (event.trial.until or event.epochs)
        self._verdict = ray.get(
            self._dispatcher.report.remote(
                pickle.dumps(event),
                self._job.trial_id,
                tune_result(event),
                group_id=self._group_id,
                judged=self._job.judged and more,
                more=more,
            )
        )

    def verdict(self) -> Verdict:
        """Whether the trial goes on after the epoch that was reported last."""
        return self._verdict


def tune_result(event: Event) -> dict[str, Any]:
    """What Ray Tune's schedulers and searchers see of an event; empty if it is nothing to them.

    Figures of the test split are none of their business.
    """
    if isinstance(event, EpochFinished):
        return {"epoch": event.epoch, "seconds": event.seconds, "done": False, **event.metrics}
    if isinstance(event, TrialEnded | TrialPaused):
        figures = {name: value for name, value in event.row.items() if name.startswith(("val_", "device_seconds"))}
        status = "paused" if isinstance(event, TrialPaused) else event.row["status"]
        return {"epoch": event.row["epochs"], "done": True, "status": status, **figures}
    return {}


def _break_off(dispatcher: Any, group_id: str, error: Exception) -> NoReturn:
    """End this worker, and tell why.

    Raises:
        RuntimeError: not the error itself: it would be unpickled where neither torch nor the user's modules are.
    """
    fault = _fault(error)
    ray.get(dispatcher.fault.remote(group_id, fault))
    raise RuntimeError(fault.error) from None


def _fault(error: Exception) -> Fault:
    import torch

    if isinstance(error, UserError):
        return Fault("user", str(error))
    kind = "oom" if isinstance(error, MemoryError | torch.OutOfMemoryError) else "lost"
    return Fault(kind, f"{type(error).__name__}: {last_line(str(error))}")
