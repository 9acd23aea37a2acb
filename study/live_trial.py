"""One trial's network, weighting, optimiser and data, alive on one worker; its state is what a checkpoint keeps."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.distributed as dist
from torch._functorch import config as functorch_config

from study.batch import FrameBatch
from study.collapse import CollapseWatch, sum_and_shares
from study.config import Configuration
from study.data import FrameCache, Identities, Splits, box_statistics
from study.data.prefetch import one_ahead
from study.data.samples import HostBatch, Samples
from study.errors import UserError
from study.optimization import learning_rate
from study.step import Stepper, StepResult
from study.tracker import Tracker
from study.validate import score_split
from study.weighting import Weighting


class LiveTrial:
    """The live parts of one trial; arguments are those of `study.train.train_trial`."""

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
        learnt = configuration.sampling
        scored = replace(learnt, num_frames=max(2, learnt.num_frames))  # in pairs, so that objects can be found again
        identities = Identities(splits.train, data.min_visibility)
        self.samples = {
            name: Samples(clips, self.cache, data, seed, identities, learnt if name == "train" else scored)
            for name, clips in self.clips.items()
        }
        statistics = box_statistics(splits.train, data.image_size, data.min_visibility)
        self.tasks = configuration.objective.tasks
        self.tracker: Tracker = configuration.tracker.build(configuration.objective, statistics).to(device)
        self.weighting: Weighting = configuration.weighting.build(self.tasks).to(device)
        if device.type == "cuda":
            self.tracker = self.tracker.to(memory_format=torch.channels_last)
        if self.config.compile:
            # Weightings that compare gradients walk backwards through a part more than once, which those would forbid.
            functorch_config.donated_buffer = False
            for part in self.tracker.static_parts():
                part.compile(backend=self.config.compile)
        self.stepper = Stepper(self.config, self.tracker, self.weighting, self.tasks, device)
        self.watch = CollapseWatch()
        self.epoch = 0
        self.val_metrics: dict[str, float] = {}

    @property
    def steps_per_epoch(self) -> int:
        """As configured, or as many as the training frames fill."""
        return self.config.steps_per_epoch or math.ceil(len(self.samples["train"]) / self.config.batch_size)

    def train_epoch(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """One epoch; returns rows of `steps` and of `epochs` (split `train`)."""
        self.tracker.train()
        rows: list[dict[str, Any]] = []
        done: list[StepResult] = []
        for step, lr, result in self.steps():
            done.append(result)
            if step % self.config.log_every == 0:
                rows += self._step_rows(step, lr, result)
        self.weighting.after_epoch()
        epochs = [
            {
                "epoch": self.epoch,
                "split": "train",
                "task": task,
                "loss": fmean(result.losses[i] for result in done),
                "loss_weight": fmean(result.loss_weights[i] for result in done),
                "weighted_total": fmean(result.total for result in done),
                "gradient_norm": fmean(result.gradient_norm for result in done),
            }
            for i, task in enumerate(self.tasks)
        ]
        return rows, epochs

    def steps(self) -> Iterator[tuple[int, float, StepResult]]:
        """Make the optimiser steps of an epoch; gives the number of each over all epochs, learning rate, figures."""
        first, total = (self.epoch - 1) * self.steps_per_epoch, self.steps_per_epoch * self.config.epochs
        for step, (batch, share) in enumerate(self._batches(), first):
            lr = learning_rate(self.config, step, total)
            result = self.stepper(batch, share, lr, f"step {step} (epoch {self.epoch})")
            self.watch.update(step, result.loss_weights)
            yield step, lr, result

    def _step_rows(self, step: int, lr: float, result: StepResult) -> list[dict[str, Any]]:
        """Rows of `steps`, one a task."""
        raw = result.raw_weights
        weight_sum, shares = sum_and_shares(result.loss_weights)
        own = result.loss_weights if raw is None else raw
        return [
            {
                "epoch": self.epoch,
                "step": step,
                "task": task,
                "loss": result.losses[i],
                "loss_weight": result.loss_weights[i],
                "raw_weight": None if raw is None else raw[i],
                "weight_sum": weight_sum,
                "smallest_share": min(shares),
                "dead": own[i] == 0,
                "reversed": result.loss_weights[i] < 0,
                "weighted_total": result.total,
                "gradient_norm": result.gradient_norm,
                "lr": lr,
            }
            for i, task in enumerate(self.tasks)
        ]

    def _batches(self) -> Iterator[tuple[FrameBatch, float]]:
        """This worker's batches of an epoch, each with its share of the pairs.

        A GPU computes while its next batch is read, pinned and copied; a CPU has no core to spare for that.
        """
        if self.device.type != "cuda":
            for place in range(self.steps_per_epoch):
                batch, share = self.host_batch(place)
                yield batch.on(self.device), share
            return

        def pinned(place: int) -> tuple[HostBatch, float]:
            batch, share = self.host_batch(place)
            return batch.pinned(), share

        for batch, share in one_ahead(pinned, self.steps_per_epoch):
            yield batch.on(self.device), share

    def host_batch(self, place: int) -> tuple[HostBatch, float]:
        """This worker's part of a global batch, and its share of the pairs."""
        size = self.config.batch_size
        end = (place + 1) * size
        if self.config.steps_per_epoch is None:
            end = min(end, len(self.samples["train"]))
        positions = range(place * size, end)
        mine = positions[self.rank :: self.world]
        # A worker without a pair of its own in a short last batch lends one at share 0: its gradients count nothing.
        batch = self.samples["train"].training_batch(self.epoch, mine or positions[:1])
        return batch, len(mine) / len(positions)

    def score(self, split: str) -> tuple[dict[str, float], list[dict[str, Any]], list[dict[str, Any]]]:
        """Track a split; returns prefixed metrics, rows of `epochs` and rows of `sequences`."""
        self.tracker.eval()
        metrics, sequences, losses = score_split(
            self.tracker, self.clips[split], self.cache, self.samples[split], self.config.batch_size, self.device
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
            "optimizer": self.stepper.optimizer.state_dict(),
            "watch": self.watch.state(),
            "val_metrics": self.val_metrics,
            "rng": torch.get_rng_state(),
            "cuda_rng": [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else [],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state()`.

        Raises:
            UserError: the state belongs to another architecture.
        """
        try:
            self.tracker.load_state_dict(state["tracker"])
            self.weighting.load_state_dict(state["weighting"])
            self.stepper.optimizer.load_state_dict(state["optimizer"])
            _lay_out_as_parameters(self.stepper.optimizer)
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise UserError(
                f"checkpoint belongs to another architecture than this configuration's ({reason})"
            ) from None
        self.watch.load_state(state["watch"])
        self.epoch, self.val_metrics = state["epoch"], dict(state["val_metrics"])
        torch.set_rng_state(state["rng"].cpu())
        if self.device.type == "cuda" and state["cuda_rng"]:  # none if it began on a CPU; of several GPUs the first
            torch.cuda.set_rng_state(state["cuda_rng"][0].cpu(), self.device)


def _lay_out_as_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give what an optimiser keeps of each parameter that parameter's strides.

    Fused steps expect them, and a checkpoint from another kind of device, where networks are laid out otherwise, has
    others.
    """
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                kept[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
