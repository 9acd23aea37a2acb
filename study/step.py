"""One optimiser step: task losses, loss weights, one backward, one update; the same on any number of workers."""

import math
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from study.batch import FrameBatch
from study.config import Train
from study.errors import DivergedError, UserError
from study.gradients import TaskGradients
from study.optimization import make_optimizer
from study.precision import autocast_dtype
from study.tracker import Tracker, TrainingOutput
from study.weighting import Weighting


@dataclass(frozen=True)
class StepResult:
    """Figures of one step over the global batch, T values each or one.

    Attributes:
        losses: unweighted task losses.
        loss_weights: effective loss weights, d total / d loss.
        raw_weights: the method's own ones; None where they are the effective ones.
        total: what the network descends.
        gradient_norm: of what is clipped, before clipping: the network, and a weighting that shares its clip.
    """

    losses: list[float]
    loss_weights: list[float]
    raw_weights: list[float] | None
    total: float
    gradient_norm: float


class Stepper:
    """Network, weighting and optimiser of a trial, on this worker.

    Args:
        config: of the optimisation.
        tracker: on its device.
        weighting: on the same device.
        tasks: names of the task losses, in order.
        device: of both.
    """

    def __init__(
        self, config: Train, tracker: Tracker, weighting: Weighting, tasks: tuple[str, ...], device: torch.device
    ) -> None:
        self.config, self.tracker, self.weighting, self.tasks, self.device = config, tracker, weighting, tasks, device
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.parameters = list(tracker.parameters())  # once: looking through the modules takes 2 % of a step
        self.clipped = self.parameters + (list(weighting.parameters()) if weighting.joint else [])
        self.network: nn.Module = tracker
        if self.world > 1:
            self.network = nn.parallel.DistributedDataParallel(tracker)
        self.optimizer = make_optimizer(config, tracker, weighting)
        self.dtype = autocast_dtype(config.precision, device)

    def __call__(self, batch: FrameBatch, share: float, lr: float, where: str) -> StepResult:
        """Make a step.

        Args:
            batch: this worker's part of the global batch.
            share: what part that is.
            lr: learning rate of the network.
            where: the step, for errors.

        Raises:
            DivergedError: a loss, the total or the gradient is not finite.
            UserError: a task loss that cannot be differentiated, or a weighting that misstates its loss weights.
        """
        with self._autocast():
            output: TrainingOutput = self.network(batch)
        parts = self._parts(output, share)
        for task, part in zip(self.tasks, parts, strict=True):
            if part.grad_fn is None:
                raise UserError(f"{where}: task loss {task!r} has no gradient: it depends on no trained parameter")
        losses = self._mean_over_workers(torch.stack([part.detach() for part in parts]))
        values = losses.tolist()
        _check_finite(where, [*zip(self.tasks, values, strict=True)])
        if self.weighting.needs_performance:
            self.weighting.observe(self._performance(output, share, where))
        gradients = None
        if self.weighting.needs_gramian:
            place = self.weighting.gramian_at
            layer = self.tracker.last_shared_layer() if place == "last_shared_layer" else []
            gradients = TaskGradients(parts, output.shared_features, place, layer, self.world)
        total, stated, effective = self._weigh(losses, gradients)
        total_value, *numbers = torch.cat([total.reshape(1), effective, stated.to(effective)]).tolist()
        loss_weights, stated_weights = numbers[: len(values)], numbers[len(values) :]
        _check_finite(where, [("weighted total", total_value)])
        _check_finite(where, [(f"loss weight of {t}", w) for t, w in zip(self.tasks, loss_weights, strict=True)])
        self._check_stated(stated_weights, loss_weights)
        if gradients is None:
            torch.autograd.backward(parts, list(effective))
        else:
            gradients.backward(effective)
        norm = float(nn.utils.clip_grad_norm_(self.clipped, self.config.clip_grad_norm or math.inf))
        _check_finite(where, [("gradient norm", norm)])
        for group in self.optimizer.param_groups:
            group["lr"] = lr if group["name"] == "network" or self.weighting.joint else self.weighting.lr
        self.optimizer.step()
        self.weighting.after_step(lambda: self._look_again(batch, share))
        raw = self.weighting.raw_weights()
        return StepResult(values, loss_weights, None if raw is None else raw.tolist(), total_value, norm)

    def _weigh(self, losses: Tensor, gradients: TaskGradients | None) -> tuple[Tensor, Tensor, Tensor]:
        """Total, stated loss weights and d total / d losses; the weighting's parameters have their gradients then.

        The losses are a leaf here: what flows back to it is what the network's one backward begins with, so whatever a
        weighting computes, the network gets the gradient of sum_i w_i L_i and nothing else.
        """
        losses.requires_grad_()
        total, stated = self.weighting(losses, None if gradients is None else gradients.gramian)
        if total.shape != () or not total.requires_grad or stated.shape != losses.shape:
            raise UserError(
                f"weighting: {type(self.weighting).__module__} gives a total of shape {tuple(total.shape)}"
                f"{'' if total.requires_grad else ' that does not depend on the losses'} and loss weights of shape "
                f"{tuple(stated.shape)}; expected a scalar computed from the losses, and shape {tuple(losses.shape)}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        effective = torch.zeros_like(losses) if losses.grad is None else losses.grad
        return total.detach(), stated, effective

    def _parts(self, output: TrainingOutput, share: float) -> list[Tensor]:
        """Scalars whose mean over the workers are the losses of the global batch."""
        return [output.losses[task].float() * (share * self.world) for task in self.tasks]

    def _mean_over_workers(self, values: Tensor) -> Tensor:
        """Equal to the last bit on every worker."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def _performance(self, output: TrainingOutput, share: float, where: str) -> Tensor:
        """Key performance indicators [T] over the global batch; NaN for a task with nothing to judge by."""
        if output.performance is None:
            raise UserError(
                f"{where}: {type(self.tracker).__name__} gives no key performance indicators "
                f"(TrainingOutput.performance), which {type(self.weighting).__module__} looks at"
            )
        performance = output.performance()
        found = [performance[task] for task in self.tasks]
        totals = torch.stack([torch.cat(part).double() for part in zip(*found, strict=True)])
        if share == 0:
            totals = torch.zeros_like(totals)  # a pair that is lent: the worker it belongs to counts it
        if self.world > 1:
            dist.all_reduce(totals)
        figures = (totals[0] / totals[1]).float()  # NaN where nothing was counted
        return torch.stack([part.nanmean() for part in figures.split([len(sums) for sums, _ in found])])

    def _check_stated(self, stated: list[float], effective: list[float]) -> None:
        """Refuse a weighting that logs other loss weights than it trains with."""
        size = max(map(abs, effective), default=0.0)
        if not all(abs(a - b) <= 1e-3 * max(size, 1e-30) for a, b in zip(stated, effective, strict=True)):
            raise UserError(
                f"weighting: {type(self.weighting).__module__} says its loss weights are {stated}, "
                f"but d total / d losses is {effective}; forward must give the effective ones"
            )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    @torch.no_grad()
    def _look_again(self, batch: FrameBatch, share: float) -> Tensor:
        with self._autocast():
            return self._mean_over_workers(torch.stack(self._parts(self.tracker(batch), share)))


def _check_finite(where: str, values: list[tuple[str, float]]) -> None:
    for name, value in values:
        if not math.isfinite(value):
            raise DivergedError(f"{where}: {name} is {value}")
