"""Every weighting there is, with the settings it is tested under, and one training step of it without a network."""

from collections.abc import Sequence

import torch
from tiny_trials import DEFAULTS
from torch import Tensor

from study.config import WeightingConfig
from study.weighting import Weighting, hwf, hwf_schedule, lwf, uncertainty

KINDS = tuple(DEFAULTS)

CONFIGS: dict[str, WeightingConfig] = DEFAULTS | {
    "hwf set": hwf.Config(loss_weights={"t0": 0.5, "t1": 2.0}),
    "hwf_schedule set": hwf_schedule.Config(stages=({"t0": 0.5}, {"t1": 2.0}, {"t0": 3.0})),
    "lwf relu": lwf.Config(output="relu"),
    "lwf detached": lwf.Config(detach_input=True, layers=2),
    "uncertainty set": uncertainty.Config(forms={"t0": "classification", "t1": "laplace"}),
}
"""Methods at their defaults, and with options that change what is computed."""


def names(count: int) -> tuple[str, ...]:
    """Task names, not in alphabetical order."""
    return tuple(f"t{(3 * i + 1) % count if count % 3 else i}" for i in range(count))[:: 1 if count % 3 else -1]


def build(config: WeightingConfig, tasks: Sequence[str], seed: int = 0) -> Weighting:
    torch.manual_seed(seed)
    return config.build(tasks)


def random_gramian(count: int, seed: int, scale: float = 1.0) -> Tensor:
    jacobian = scale * torch.randn(count, 40, generator=torch.Generator().manual_seed(seed))
    return jacobian @ jacobian.T


class Steps:
    """Steps of a weighting on losses that a test gives."""

    def __init__(self, weighting: Weighting) -> None:
        self.weighting = weighting
        own = list(weighting.parameters())
        self.optimizer = torch.optim.Adam(own, lr=weighting.lr or 1e-3) if own else None

    def __call__(self, losses: Tensor, gramian: Tensor, performance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Total, stated loss weights and d total / d losses of one step."""
        weighting = self.weighting
        losses = losses.clone().requires_grad_()
        if weighting.needs_performance:
            weighting.observe(performance)
        total, stated = weighting(losses, gramian if weighting.needs_gramian else None)
        if self.optimizer:
            self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        assert losses.grad is not None
        if self.optimizer:
            self.optimizer.step()
        weighting.after_step(lambda: losses.detach() ** 1.1)
        return total.detach(), stated.detach().clone(), losses.grad

    def run(self, count: int, steps: range, order: Sequence[int] | None = None) -> list[list[float]]:
        """Loss weights of some steps on losses and gradients drawn for each; `order` permutes the tasks."""
        order = list(range(count)) if order is None else list(order)
        weights = []
        for step in steps:
            generator = torch.Generator().manual_seed(1000 + step)
            losses, performance = torch.rand(2, count, generator=generator) + torch.tensor([[0.1], [0.0]])
            gramian = random_gramian(count, step)
            _, _, effective = self(losses[order], gramian[order][:, order], performance[order])
            weights.append(effective.tolist())
            if step % 3 == 2:
                self.weighting.after_epoch()
        return weights
