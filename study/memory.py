"""Peak memory of one trial in a process that runs many."""

import contextlib
from pathlib import Path

import psutil
import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """Watches from its making on: the device's allocations on CUDA, the process's resident set elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif _CLEAR.exists():
            # proc(5): 5 resets the peak resident set size. A container may forbid it; the peak is then the process's.
            with contextlib.suppress(OSError):
                _CLEAR.write_text("5")

    def peak_bytes(self) -> int:
        """Peak so far, bytes."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if _STATUS.exists():
            for line in _STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return psutil.Process().memory_info().rss
