"""Measures the parts of a trial: a few steps, the scoring of some frames, a checkpoint."""

import io
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from study.checkpoint import model_bytes
from study.config import Configuration
from study.data import Splits
from study.files import write_file
from study.live_trial import LiveTrial

WARM_UP_STEPS = 3
MOST_STEPS = 10
SECONDS = 2.0
"""Timed steps are ten, or as many as fit in this."""


def measure(
    configuration: Configuration,
    splits: Splits,
    cache_dir: Path,
    device: torch.device,
    together: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Measure a trial on this worker; every worker of the trial does so at the same time.

    Warm-up of the learning rate is left out: at the full rate a tracker finds after ten steps about as many boxes as it
    will later (docs/decisions.md), while an untrained one finds none, and is scored too quickly.

    A worker that is alone in its trial and does everything in one thread is timed by the processor's clock: what else
    runs on the machine during the probe need not run during the trial. Its writing to disk is always timed by the wall.

    Args:
        configuration: what is to be measured.
        splits: what `study.prediction.sample.sample` gave.
        cache_dir: folder of decoded frames; the checkpoint is written there for its time.
        device: where the network runs.
        together: called before the timed steps; returns when all trials that run side by side are that far.

    Returns:
        Fields of `study.prediction.measurement.Measurement`.
    """
    at_full_rate = {"warmup_steps": 0, "steps_per_epoch": 1000}
    train = configuration.train.model_copy(update=at_full_rate)
    config = configuration.model_copy(update={"train": train})
    LiveTrial(config, 0, splits, cache_dir, device)  # decodes frames and loads kernels, once for all trials
    clock = _Clock(device)
    trial = LiveTrial(config, 0, splits, cache_dir, device)
    startup = clock.lap()
    trial.epoch = 1
    trial.tracker.train()
    making = trial.steps()
    for _ in range(WARM_UP_STEPS):
        clock.lap()
        next(making)
    steps = _agreed(max(1, min(MOST_STEPS, int(SECONDS / clock.lap()))), device)
    together()
    clock.lap()
    begun = time.perf_counter()
    for _ in range(steps):
        next(making)
    training = clock.lap()
    passed = time.perf_counter() - begun
    trial.score("test")
    clock.lap()
    trial.score("val")
    scoring = clock.lap()
    begun = time.perf_counter()
    state = io.BytesIO()
    torch.save({"epoch": 1, "state": trial.state()}, state)
    path = cache_dir / "probes" / f"{uuid.uuid4().hex}.pt"
    write_file(path, state.getvalue())
    checkpoint = time.perf_counter() - begun
    path.unlink()
    frames = sum(clip.num_frames for clip in splits.val)
    return {
        "startup_seconds": startup,
        "step_seconds": training / steps,
        "overhead_seconds_per_epoch": checkpoint,
        "eval_seconds_per_frame": scoring / frames,
        "model_bytes": len(model_bytes(configuration, trial.tracker.state_dict())),
        "state_bytes": state.tell(),
        "steps": steps,
        "frames": frames,
        "slowed": max(1.0, passed / training),
    }


class _Clock:
    """Seconds since the last lap, the device's work included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        alone = device.type == "cpu" and torch.get_num_threads() == 1 and not dist.is_initialized()
        self._time = time.process_time if alone else time.perf_counter
        self._last = self._now()

    def lap(self) -> float:
        now = self._now()
        passed, self._last = now - self._last, now
        return passed

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return self._time()


def _agreed(number: int, device: torch.device) -> int:
    """The smallest of the workers' numbers: they must make equally many steps."""
    if dist.is_initialized():
        smallest = torch.tensor(number, device=device)
        dist.all_reduce(smallest, dist.ReduceOp.MIN)
        number = int(smallest)
    return number
