"""How the dispatcher learns what a worker group holds.

Train's controllers unpickle it: what a module imports that is named here is in the memory of every one of them.
"""

from typing import Any

import ray
from ray.train.v2._internal.execution.callback import WorkerGroupCallback


class Reservation(WorkerGroupCallback):
    """Tells the dispatcher what Ray has reserved, before workers do anything: the first thing may kill them."""

    def __init__(self, group_id: str, dispatcher: Any) -> None:
        self._group_id, self._dispatcher = group_id, dispatcher

    def after_worker_group_start(self, worker_group: Any) -> None:
        """Called by the controller."""
        handle = worker_group.get_worker_group_state().placement_group_handle
        ray.get(self._dispatcher.reserve.remote(self._group_id, handle.placement_group))
