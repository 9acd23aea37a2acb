"""Trains one trial on one worker and yields its rows; runs without ray, in a debugger, on a GPU box, in a test."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from study.collapse import WeightingStatus
from study.config import Configuration
from study.data import Splits
from study.live_trial import LiveTrial
from study.memory import PeakMemory
from study.transfer import take_over


@dataclass(frozen=True)
class Seconds:
    """Wall time of this worker since the last result, by what it was spent on."""

    startup: float = 0.0
    train: float = 0.0
    eval: float = 0.0


@dataclass(frozen=True)
class EpochResult:
    """What one epoch adds to the tables, and the state from which the next one continues bit for bit.

    Rows hold the columns of `study.results` below the trial's identity. `steps`: step, epoch, task, loss, loss_weight,
    raw_weight, weight_sum, smallest_share, dead, reversed, weighted_total, gradient_norm, lr. `epochs`: epoch, split,
    task, loss, loss_weight, weighted_total, gradient_norm for split `train` (one row a task); for split `val` one row a
    task with its loss, and one row with task `""` and the metrics. `sequences`: epoch, split, sequence, num_frames and
    the metrics.
    """

    epoch: int  # 1-based, just finished
    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    sequences: list[dict[str, Any]]
    metrics: dict[str, float]  # val_mota, val_idf1, ...; empty when this epoch was not validated
    weighting_status: WeightingStatus
    weighting_status_step: int | None  # since when, unless healthy
    seconds: Seconds
    state: Callable[[], dict[str, Any]]  # plain tensors, numbers, strings and containers: loads with weights_only


@dataclass(frozen=True)
class TrialResult:
    """The end of a trial: final figures of the `trials` table and the test split's sequences."""

    sequences: list[dict[str, Any]]
    metrics: dict[str, float]  # val_* of the last epoch, test_* if there is a test split
    num_parameters: int
    precision: str  # "float32" or "bfloat16", what `auto` came to
    peak_memory_bytes: int
    weighting_status: WeightingStatus
    weighting_status_step: int | None  # since when, unless healthy
    seconds: Seconds
    state: Callable[[], dict[str, Any]]  # the network's parameters and buffers


def train_trial(
    configuration: Configuration,
    seed: int,
    splits: Splits,
    *,
    cache_dir: Path,
    device: torch.device,
    resume: Mapping[str, Any] | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Iterator[EpochResult | TrialResult]:
    """Train, validate and finally test one trial.

    Every worker of a trial runs this, inside an initialised `torch.distributed` process group if there are several;
    all of them yield at the same points, and only rank 0's rows count.

    Args:
        configuration: what to compute.
        seed: of initialisation, data order and augmentation.
        splits: sequences read by `study.data.read_splits`.
        cache_dir: folder of decoded frames shared by the trials of this node.
        device: where the network runs.
        resume: state of an earlier `EpochResult` of the same trial; training goes on after it.
        start: parameters of a trained tracker that training starts from, instead of from random ones.

    Yields:
        One `EpochResult` an epoch, then one `TrialResult`.

    Raises:
        DivergedError: a loss or gradient stopped being finite.
        UserError: the state belongs to another architecture.
    """
    clock = _Clock()
    memory = PeakMemory(device)
    trial = LiveTrial(configuration, seed, splits, cache_dir, device)
    if start is not None:
        take_over(trial.tracker, start)
    if resume is not None:
        trial.load_state(resume)
    clock.lap("startup")
    while trial.epoch < configuration.train.epochs:
        trial.epoch += 1
        steps, epochs = trial.train_epoch()
        clock.lap("train")
        sequences: list[dict[str, Any]] = []
        metrics: dict[str, float] = {}
        if trial.epoch % configuration.train.validate_every == 0 or trial.epoch == configuration.train.epochs:
            metrics, rows, sequences = trial.score("val")
            trial.val_metrics = metrics
            epochs += rows
        clock.lap("eval")
        yield EpochResult(
            trial.epoch, steps, epochs, sequences, metrics, *trial.watch.status, clock.take(), trial.state
        )
        clock.restart()  # what the caller did with the result is not ours
    metrics, sequences = dict(trial.val_metrics), []
    if splits.test:
        test_metrics, _, sequences = trial.score("test")
        metrics |= test_metrics
    clock.lap("eval")
    parameters = sum(p.numel() for p in trial.stepper.parameters)
    yield TrialResult(
        sequences,
        metrics,
        parameters,
        str(trial.stepper.dtype).removeprefix("torch."),
        memory.peak_bytes(),
        *trial.watch.status,
        clock.take(),
        trial.tracker.state_dict,
    )


class _Clock:
    """Seconds since the last lap, collected by what they were spent on."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._spent: dict[str, float] = defaultdict(float)

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self._spent[what] += now - self._last
        self._last = now

    def restart(self) -> None:
        self._last = time.perf_counter()

    def take(self) -> Seconds:
        seconds = Seconds(**self._spent)
        self._spent.clear()
        return seconds
