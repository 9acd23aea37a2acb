"""The machines of a cluster: those there are, and those that its autoscaler may start."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
import ray
import yaml

from study.capacity import Capacity, find_capacity
from study.config import Execution
from study.errors import UserError

_LOOK_SECONDS = 5.0

Machine = Mapping[str, float]
"""Resources by Ray's names for them, `CPU` and `GPU` among them."""


def present_machines() -> list[Machine]:
    """Machines that take part in the cluster now."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def possible_machines() -> list[Machine]:
    """All machines of the cluster once its autoscaler has started as many as it may; none without an autoscaler."""
    return list(_declared(_autoscaling_config(ray.get_runtime_context().gcs_address)))


@lru_cache(maxsize=1)
def _autoscaling_config(gcs_address: str) -> Mapping[str, Any]:
    """The file that the cluster was brought up by; empty without an autoscaler.

    Ray tells nobody what is in it, so a task looks on the head, which runs the autoscaler.
    """
    on_head = ray.remote(_read_config).options(num_cpus=0, resources={"node:__internal_head__": 0.001})
    return ray.get(on_head.remote(gcs_address))


def _read_config(gcs_address: str) -> Mapping[str, Any]:
    option = "--autoscaling-config="
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if f"--gcs-address={gcs_address}" in words and any(word.endswith("monitor.py") for word in words):
                for word in words:
                    if word.startswith(option):
                        return yaml.safe_load(Path(word.removeprefix(option)).expanduser().read_text())
    return {}


def _declared(config: Mapping[str, Any]) -> Iterator[Machine]:
    """The head, and as many others as there may be in all, those that the autoscaler prefers first."""
    types = dict(config.get("available_node_types", {}))
    head = types.pop(config.get("head_node_type"), None)
    if head is not None:
        yield head.get("resources", {})
    preferred = sorted(types.values(), key=lambda group: -group.get("priority", 0))
    most = config.get("max_workers", 0)
    workers = [group.get("resources", {}) for group in preferred for _ in range(group.get("max_workers", most))]
    yield from workers[:most]


def cluster_capacity(
    execution: Execution, *, wait: bool = False, tell: Callable[[str], None] | None = None
) -> Capacity:
    """What of a study fits on the cluster as it is, or as its autoscaler may make it.

    Args:
        execution: what a trial needs.
        wait: if nothing fits, wait for machines that join.
        tell: is told once that this waits.

    Raises:
        UserError: not one trial fits.
    """
    while True:
        try:
            return max(_fitting(execution), key=lambda capacity: capacity.slots)
        except UserError as error:
            if not wait:
                raise UserError(f"{error}, or give --wait to wait for machines that join") from None
            if tell is not None:
                tell(f"waiting for machines: {error}")
                tell = None
        time.sleep(_LOOK_SECONDS)


def _fitting(execution: Execution) -> list[Capacity]:
    present, possible = present_machines(), possible_machines()
    if not any(possible):  # no autoscaler, or one whose file does not say what its machines have
        return [find_capacity(execution, present)]
    if execution.gpus_per_worker is None and any(machine.get("GPU", 0) for machine in possible):
        execution = execution.model_copy(update={"gpus_per_worker": 1.0})  # also while there are none yet
    found = []
    for machines in (present, possible):
        with suppress(UserError):
            found.append(find_capacity(execution, machines))
    return found or [find_capacity(execution, possible)]
