"""Trains one trial on one worker and yields its rows; runs without ray, in a debugger, on a GPU box, in a test."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from study.batch import PairBatch
from study.config import Configuration
from study.data import FrameCache, Splits, box_statistics
from study.data.pairs import Pairs
from study.errors import DivergedError, UserError
from study.memory import PeakMemory
from study.optimization import learning_rate, make_optimizer, task_gramian
from study.precision import autocast_dtype
from study.tracker import Tracker, TrainingOutput
from study.validate import score_split
from study.weighting import Weighting


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
    raw_weight, weighted_total, gradient_norm, lr. `epochs`: epoch, split, task, loss, loss_weight, weighted_total,
    gradient_norm for split `train` (one row a task); for split `val` one row a task with its loss, and one row with
    task `""` and the metrics. `sequences`: epoch, split, sequence, num_frames and the metrics.
    """

    epoch: int  # 1-based, just finished
    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    sequences: list[dict[str, Any]]
    metrics: dict[str, float]  # val_mota, val_idf1, ...; empty when this epoch was not validated
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

    Yields:
        One `EpochResult` an epoch, then one `TrialResult`.

    Raises:
        DivergedError: a loss or gradient stopped being finite.
        UserError: the state belongs to another architecture.
    """
    clock = _Clock()
    memory = PeakMemory(device)
    trial = _Trial(configuration, seed, splits, cache_dir, device)
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
        yield EpochResult(trial.epoch, steps, epochs, sequences, metrics, clock.take(), trial.state)
        clock.restart()  # what the caller did with the result is not ours
    metrics, sequences = dict(trial.val_metrics), []
    if splits.test:
        test_metrics, _, sequences = trial.score("test")
        metrics |= test_metrics
    clock.lap("eval")
    parameters = sum(p.numel() for p in trial.parameters)
    yield TrialResult(
        sequences,
        metrics,
        parameters,
        str(trial.dtype).removeprefix("torch."),
        memory.peak_bytes(),
        clock.take(),
        trial.tracker.state_dict,
    )


class _Trial:
    """The live parts of one trial: network, weighting, optimiser and data."""

    def __init__(
        self, configuration: Configuration, seed: int, splits: Splits, cache_dir: Path, device: torch.device
    ) -> None:
        self.config, self.device = configuration.train, device
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        if device.type == "cpu":
            torch.use_deterministic_algorithms(True)
            # Nothing reads memory it has not written; filling it first costs 4 % of a step.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.manual_seed(seed)
        data = configuration.data
        self.clips = {"train": splits.train, "val": splits.val, "test": splits.test}
        self.cache = FrameCache.open(
            [clip for clips in self.clips.values() for clip in clips], image_size=data.image_size, cache_dir=cache_dir
        )
        self.pairs = {name: Pairs(clips, self.cache, data, seed) for name, clips in self.clips.items()}
        statistics = box_statistics(splits.train, data.image_size, data.min_visibility)
        self.tasks = configuration.objective.tasks
        self.tracker: Tracker = configuration.tracker.build(configuration.objective, statistics).to(device)
        self.weighting: Weighting = configuration.weighting.build(self.tasks).to(device)
        if device.type == "cuda":
            self.tracker = self.tracker.to(memory_format=torch.channels_last)
        self.parameters = list(self.tracker.parameters())  # once: looking through the modules takes 2 % of a step
        self.network: nn.Module = self.tracker
        if self.world > 1:
            self.network = nn.parallel.DistributedDataParallel(self.tracker)
        self.optimizer = make_optimizer(self.config, self.tracker, self.weighting)
        self.dtype = autocast_dtype(self.config.precision, device)
        self.epoch = 0
        self.val_metrics: dict[str, float] = {}

    @property
    def steps_per_epoch(self) -> int:
        return self.config.steps_per_epoch or math.ceil(len(self.pairs["train"]) / self.config.batch_size)

    def train_epoch(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """One epoch; returns rows of `steps` and of `epochs` (split `train`)."""
        self.network.train()
        rows: list[dict[str, Any]] = []
        sums: dict[str, Tensor | float] = defaultdict(float)
        for place in range(self.steps_per_epoch):
            step = (self.epoch - 1) * self.steps_per_epoch + place
            lr = learning_rate(self.config, step, self.steps_per_epoch * self.config.epochs)
            losses, loss_weights, total, norm = self._step(step, place, lr)
            for name, value in (("loss", losses), ("loss_weight", loss_weights), ("total", total), ("norm", norm)):
                sums[name] += value / self.steps_per_epoch
            if step % self.config.log_every == 0:
                raw = self.weighting.raw_weights()
                rows += [
                    {
                        "epoch": self.epoch,
                        "step": step,
                        "task": task,
                        "loss": float(losses[i]),
                        "loss_weight": float(loss_weights[i]),
                        "raw_weight": None if raw is None else float(raw[i]),
                        "weighted_total": float(total),
                        "gradient_norm": float(norm),
                        "lr": lr,
                    }
                    for i, task in enumerate(self.tasks)
                ]
        means = {name: torch.as_tensor(value) for name, value in sums.items()}
        epochs = [
            {
                "epoch": self.epoch,
                "split": "train",
                "task": task,
                "loss": float(means["loss"][i]),
                "loss_weight": float(means["loss_weight"][i]),
                "weighted_total": float(means["total"]),
                "gradient_norm": float(means["norm"]),
            }
            for i, task in enumerate(self.tasks)
        ]
        return rows, epochs

    def _step(self, step: int, place: int, lr: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One optimiser step; returns unweighted losses [T], loss weights [T], weighted total, gradient norm."""
        batch, share = self._batch(place)
        with self._autocast():
            output: TrainingOutput = self.network(batch)
        losses = self._global_losses(output, share)
        gramian = task_gramian(losses, output.shared_features, self.world) if self.weighting.needs_gramian else None
        total, loss_weights = self.weighting(losses, gramian)
        self._check_finite(step, [*zip(self.tasks, losses.tolist(), strict=True), ("weighted total", total.item())])
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_grad_norm or math.inf)
        self._check_finite(step, [("gradient norm", norm.item())])
        for group in self.optimizer.param_groups:
            group["lr"] = lr if group["name"] == "network" else self.weighting.lr
        self.optimizer.step()
        self.weighting.after_step(lambda: self._look_again(batch, share))
        return losses.detach(), loss_weights.detach(), total.detach(), norm.detach()

    def _batch(self, place: int) -> tuple[PairBatch, float]:
        """This worker's part of a global batch, and its share of the pairs."""
        size = self.config.batch_size
        end = (place + 1) * size
        if self.config.steps_per_epoch is None:
            end = min(end, len(self.pairs["train"]))
        positions = range(place * size, end)
        mine = positions[self.rank :: self.world]
        # A worker without a pair of its own in a short last batch lends one at share 0: its gradients count nothing.
        batch = self.pairs["train"].training_batch(self.epoch, mine or positions[:1], self.device)
        return batch, len(mine) / len(positions)

    def _global_losses(self, output: TrainingOutput, share: float) -> Tensor:
        """Losses [T] of the global batch; the gradient is this worker's part, which DDP averages over the workers."""
        local = torch.stack([output.losses[task] for task in self.tasks]).float() * (share * self.world)
        if self.world == 1:
            return local
        mean = local.detach().clone()
        dist.all_reduce(mean)
        return local + (mean / self.world - local).detach()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    @torch.no_grad()
    def _look_again(self, batch: PairBatch, share: float) -> Tensor:
        with self._autocast():
            return self._global_losses(self.network(batch), share)

    def _check_finite(self, step: int, values: list[tuple[str, float]]) -> None:
        for name, value in values:
            if not math.isfinite(value):
                raise DivergedError(f"step {step} (epoch {self.epoch}): {name} is {value}")

    def score(self, split: str) -> tuple[dict[str, float], list[dict[str, Any]], list[dict[str, Any]]]:
        """Track a split; returns prefixed metrics, rows of `epochs` and rows of `sequences`."""
        self.tracker.eval()
        metrics, sequences, losses = score_split(
            self.tracker, self.clips[split], self.cache, self.pairs[split], self.config.batch_size, self.device
        )
        place = {"epoch": self.epoch, "split": split}
        rows = [{**place, "task": task, "loss": loss} for task, loss in losses.items()] + [
            {**place, "task": "", **metrics}
        ]
        prefixed = {f"{split}_{name}": value for name, value in metrics.items()}
        return prefixed, rows, [{**place, **row} for row in sequences]

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the trial depends on."""
        return {
            "epoch": self.epoch,
            "tracker": self.tracker.state_dict(),
            "weighting": self.weighting.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "val_metrics": self.val_metrics,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state()`.

        Raises:
            UserError: the state belongs to another architecture.
        """
        try:
            self.tracker.load_state_dict(state["tracker"])
            self.weighting.load_state_dict(state["weighting"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise UserError(
                f"checkpoint belongs to another architecture than this configuration's ({reason})"
            ) from None
        self.epoch, self.val_metrics = state["epoch"], dict(state["val_metrics"])
        torch.set_rng_state(state["rng"].cpu())
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all([rng.cpu() for rng in state["cuda_rng"]])


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
