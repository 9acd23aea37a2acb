"""Which cluster of Ray a study runs on; asked also where ray is not imported."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

VARIABLE = "RAY_ADDRESS"


def cluster_address() -> str | None:
    """Address of the cluster to run on; None: Ray is started on this machine for as long as the study runs.

    `RAY_ADDRESS`, or else the cluster of this machine, if `ray start` has made it a part of one. `RAY_ADDRESS=local`
    means none, whatever runs here.
    """
    if address := os.environ.get(VARIABLE):
        return None if address == "local" else address
    left = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray", "ray_current_cluster")
    try:
        address = left.read_text().strip()
    except OSError:
        return None
    return address if address and _takes_part(address) else None


def _takes_part(address: str) -> bool:
    """Whether a process of Ray's on this machine belongs to a cluster: the file outlives those that wrote it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "raylet" and any(address in word for word in process.cmdline()):
                return True
    return False
