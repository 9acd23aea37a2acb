"""What the trials of a study will run on, as far as it is known before they do."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.capacity import Capacity, find_capacity
from study.cluster_address import cluster_address
from study.config import Execution
from study.errors import UserError

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Conditions:
    """What decides, besides its configuration, how long a trial takes. None is unknown, and taken as it comes.

    Attributes:
        workers: of a trial.
        devices_per_worker: GPUs, or CPU cores without GPUs.
        device_name: model of the GPU or CPU.
        precision: what `auto` comes to on it.
        capacity: what fits on this machine.
        beside: trials that run at a time on this machine; two on two cores are slower than one alone.
        elsewhere: why this machine cannot stand for what the trials will run on; None if it can.
    """

    workers: int
    devices_per_worker: float | None
    device_name: str | None
    precision: str | None
    capacity: Capacity | None
    beside: int | None
    elsewhere: str | None

    def include(self, row: Mapping[str, Any], configured_precision: str) -> bool:
        """Whether a row of `trials` was made under these conditions, but for `beside`."""
        known = {
            "workers": self.workers,
            "devices_per_worker": self.devices_per_worker,
            "device_name": self.device_name,
            "precision": self.precision if configured_precision == "auto" else configured_precision,
        }
        return all(value is None or row[name] == value for name, value in known.items())


def find_conditions(execution: Execution, trials: int) -> Conditions:
    """What `trials` trials of a study will run on: this machine, unless there is a cluster."""
    if cluster_address() is not None:
        return _unknown(execution, "the cluster's machines are elsewhere")
    import torch

    from study.device import device_name
    from study.precision import autocast_dtype

    gpus = torch.cuda.device_count()
    try:
        capacity = find_capacity(execution, [{"CPU": _cpus(), "GPU": gpus}])
    except UserError:
        return _unknown(execution, "no trial fits on this machine")
    device = torch.device("cuda" if capacity.gpus_per_worker else "cpu")
    return Conditions(
        workers=execution.workers,
        devices_per_worker=capacity.devices / capacity.workers,
        device_name=device_name(device),
        precision=str(autocast_dtype("auto", device)).removeprefix("torch."),
        capacity=capacity,
        beside=max(1, min(capacity.slots, trials)),
        elsewhere=None,
    )


def _unknown(execution: Execution, reason: str) -> Conditions:
    gpus = execution.gpus_per_worker
    devices = None if gpus is None else gpus or execution.cpus_per_worker
    return Conditions(execution.workers, devices, None, None, None, None, reason)


def _cpus() -> int:
    """CPU cores as Ray counts them: those of the machine, or the limit of the container."""
    cores = os.cpu_count() or 1
    limit = _CGROUP_LIMIT.read_text().split() if _CGROUP_LIMIT.exists() else ["max"]
    return cores if limit[0] == "max" else min(cores, max(1, int(limit[0]) // int(limit[1])))
