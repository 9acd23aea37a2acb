"""How many trials fit at once, and what one of their workers holds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.config import Execution
from study.errors import UserError


@dataclass(frozen=True)
class Capacity:
    """Resources of a study.

    Attributes:
        slots: trials that run at once.
        workers: per trial.
        cpus_per_worker: CPU cores, which are also the threads that a worker uses.
        gpus_per_worker: GPUs, or the fraction of one; 0 trains on CPU.
    """

    slots: int
    workers: int
    cpus_per_worker: int
    gpus_per_worker: float

    @property
    def devices(self) -> float:
        """Devices that the workers of a trial hold together: GPUs, or CPU cores without GPUs."""
        return self.workers * (self.gpus_per_worker or self.cpus_per_worker)

    @property
    def worker_resources(self) -> dict[str, float]:
        """What Ray is asked for, for each worker."""
        gpus = {"GPU": self.gpus_per_worker} if self.gpus_per_worker else {}
        return {"CPU": float(self.cpus_per_worker), **gpus}


def find_capacity(execution: Execution, nodes: Sequence[Mapping[str, float]]) -> Capacity:
    """Fit as many trials as possible on the machines of a cluster; a worker must fit on one of them.

    Args:
        execution: what a trial needs.
        nodes: resources of each machine, with Ray's names `CPU` and `GPU`.

    Raises:
        UserError: not one trial fits.
    """
    gpus = execution.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if any(node.get("GPU", 0) for node in nodes) else 0.0
    fitting = sum(_workers_on(node, execution.cpus_per_worker, gpus) for node in nodes)
    slots = fitting // execution.workers
    if slots == 0:
        asked = f"{execution.workers} x {execution.cpus_per_worker} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
        have = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes) or "nothing"
        raise UserError(
            f"execution: a trial needs {asked} (workers x each), there are {have}; lower execution.workers, "
            "execution.cpus_per_worker or execution.gpus_per_worker"
        )
    return Capacity(
        slots=min(slots, execution.max_concurrent_trials or slots),
        workers=execution.workers,
        cpus_per_worker=execution.cpus_per_worker,
        gpus_per_worker=gpus,
    )


def _workers_on(node: Mapping[str, float], cpus: int, gpus: float) -> int:
    by_cpu = math.floor(node.get("CPU", 0) / cpus)
    if not gpus:
        return by_cpu
    on_gpus = math.floor(node.get("GPU", 0))
    # The tolerance lets a third of a GPU fit three times.
    by_gpu = on_gpus * math.floor(1 / gpus + 1e-9) if gpus < 1 else math.floor(on_gpus / gpus)
    return min(by_cpu, by_gpu)
