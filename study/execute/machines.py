"""The machines of a cluster: those there are, and those that its autoscaler may start."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import ray
from ray._private.state import state

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
    return list(_declared(state.get_cluster_config()))


def _declared(config: Any) -> Iterator[Machine]:
    for group in config.node_group_configs if config is not None else ():
        for _ in range(max(0, group.max_count)):
            yield dict(group.resources)


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
    if not possible:
        return [find_capacity(execution, present)]
    if execution.gpus_per_worker is None and any(machine.get("GPU", 0) for machine in possible):
        execution = execution.model_copy(update={"gpus_per_worker": 1.0})  # also while there are none yet
    found = [find_capacity(execution, possible)]
    with suppress(UserError):  # the autoscaler starts some
        found.append(find_capacity(execution, present))
    return found
