"""A small problem with the tracker's loss forms, on which weightings can be watched for thousands of steps.

One small shared network with outputs for all three losses, and one fixed batch whose labels are partly noise, so that
no loss can reach zero. Under equal weights they fall from 1.13 / 1.61 / 1.13 (cls / reg / reid) to .21 / .46 / .26 in
15k steps. A step takes 1.5 ms.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from study.collapse import CollapseWatch, WeightingStatus
from study.config import Train, WeightingConfig
from study.losses.objectives import CLS_REG_REID
from study.step import Stepper
from study.tracker import Tracker, TrainingOutput

LR = 5e-5
TRAIN = Train(optimizer="adam", lr=LR, weight_decay=0, clip_grad_norm=0.1, precision="float32")
"""Optimisation of the LWF paper."""

PRIOR = 0.01
"""Probability of a positive that the network starts with."""


def make_targets(features: Tensor, images: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Labels that the features [A, D] explain in part: every image has the same features and other noise.

    A quarter of all anchors is positive, about half of these hold the same identity in both frames.
    """
    anchors, width = features.shape
    explained = features @ torch.randn(width, 10, generator=generator) / math.sqrt(width)

    def noise(*shape: int) -> Tensor:
        return torch.randn(images, anchors, *shape, generator=generator)

    objects = explained[:, 0] + 4 * noise()
    cls = (objects > objects.quantile(0.75)).long()
    reid = cls * (explained[:, 1] + 4 * noise() > 0)
    reg = 2.25 * explained[:, 2:] + 0.84 * noise(8)
    return {"cls": cls, "reg": reg, "reid": reid, "reg_mask": (cls == 1)[..., None].expand_as(reg)}


class Toy(Tracker):
    """Two hidden layers and three heads (one layer, split); it carries its batch and ignores the one it is given.

    The data are the same for every seed; the network is drawn from torch's global generator.
    """

    def __init__(self, images: int = 8, anchors: int = 32, features: int = 4, width: int = 16) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.images = images
        self.features = torch.randn(anchors, features, generator=generator)
        self.targets = make_targets(self.features, images, generator)
        self.losses = {config.name: config.build() for config in CLS_REG_REID.task_losses}
        self.body = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.heads = nn.Linear(width, 10)  # cls, 8 offsets, reid
        nn.init.normal_(self.heads.weight, std=0.01)
        nn.init.zeros_(self.heads.bias)
        with torch.no_grad():
            self.heads.bias[[0, 9]] = math.log(PRIOR / (1 - PRIOR))

    def forward(self, batch: None = None) -> TrainingOutput:  # noqa: ARG002
        shared = self.body(self.features)
        cls, reg, reid = self.heads(shared).expand(self.images, -1, -1).split((1, 8, 1), dim=-1)
        predictions = {"cls": cls.squeeze(-1), "reg": reg, "reid": reid.squeeze(-1)}
        losses = {name: loss(predictions, self.targets).mean() for name, loss in self.losses.items()}
        return TrainingOutput(losses=losses, shared_features=[shared])


@dataclass(repr=False)  # thousands of steps
class Run:
    """What every step of a training gave; `losses` are unweighted, `loss_weights` the effective ones."""

    losses: list[list[float]] = field(default_factory=list)
    loss_weights: list[list[float]] = field(default_factory=list)
    statuses: list[tuple[WeightingStatus, int | None]] = field(default_factory=list)

    @property
    def collapsed_at(self) -> float:
        """The step since which the loss weights are collapsed at the end; infinity if they are not."""
        status, since = self.statuses[-1]
        return since if status == "collapsed" else math.inf

    @property
    def reversed_at(self) -> float:
        """The first step with the status `reversed`; infinity without one."""
        return next((step for step, (status, _) in enumerate(self.statuses) if status == "reversed"), math.inf)

    @property
    def seen(self) -> set[WeightingStatus]:
        """Every status there was."""
        return {status for status, _ in self.statuses}


def train(weighting: WeightingConfig, seed: int, steps: int, *, until_collapsed: bool = False) -> Run:
    """Train the toy with a weighting, by the steps of a trial."""
    torch.manual_seed(seed)
    tasks = CLS_REG_REID.tasks
    stepper = Stepper(TRAIN, Toy(), weighting.build(tasks), tasks, torch.device("cpu"))
    watch, run = CollapseWatch(), Run()
    for step in range(steps):
        result = stepper(None, share=1.0, lr=LR, where=f"step {step}")
        watch.update(step, result.loss_weights)
        run.losses.append(result.losses)
        run.loss_weights.append(result.loss_weights)
        run.statuses.append(watch.status)
        if until_collapsed and run.collapsed_at < math.inf:
            break
    return run
