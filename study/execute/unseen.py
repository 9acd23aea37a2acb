"""Data that a machine of the cluster cannot read, told before devices are held."""

from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.capacity import find_capacity
from study.config import Data, Execution
from study.errors import UserError
from study.mirror import unseen


def refuse_unseen_data(data: Data, execution: Execution) -> None:
    """Look for the data's folder on every machine that trials may run on now; those that join later look themselves.

    Args:
        data: presets are drawn, and object stores copied, where they are needed.
        execution: what a trial needs.

    Raises:
        UserError: some have no such folder.
    """
    if data.folder is None:
        return
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and _fits_on(node["Resources"], execution):
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            look = ray.remote(_sees).options(num_cpus=0, scheduling_strategy=place)
            asked[f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"] = look.remote(data.folder)
    blind = [name for name, seen in asked.items() if not ray.get(seen)]
    if blind:
        raise unseen(data.folder, ", ".join(blind))


def _fits_on(machine: dict[str, float], execution: Execution) -> bool:
    try:
        return find_capacity(execution.model_copy(update={"workers": 1}), [machine]).slots > 0
    except UserError:
        return False


def _sees(folder: Path) -> bool:
    return folder.is_dir()
