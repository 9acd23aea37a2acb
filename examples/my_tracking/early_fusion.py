"""`my_tracking.early_fusion`: one plain network that sees both frames from its first layer on."""

from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from study.batch import FrameBatch
from study.config import Objective, TrackerConfig
from study.errors import UserError
from study.offsets import decode
from study.tracker import FrameTracks, Tracker, TrainingOutput, anchors
from study.tracker.chaining import Chainer, Chaining, Fraction, PairedDetections, soft_nms

STRIDE = 8
OUTPUTS = {"cls": 1, "reid": 1, "reg": 8}


class Config(TrackerConfig):
    """Channels of the network, number of its layers at stride 8, and thresholds of inference."""

    width: PositiveInt = 48
    depth: PositiveInt = 4
    candidate_score: Fraction = 0.05
    association: Chaining = Chaining()

    def build(self, objective: Objective, statistics: Any) -> "EarlyFusion":
        """Make the network; its one anchor has the median width and height of the training boxes.

        Raises:
            UserError: a task loss that needs a prediction this network does not make.
        """
        losses = {loss.name: loss.build() for loss in objective.task_losses}
        for name, loss in losses.items():
            if missing := set(loss.needs) - set(OUTPUTS):
                raise UserError(f"objective: task loss {name!r} needs {min(missing)!r}; known: {', '.join(OUTPUTS)}")
        shape = (1.0, 1.0)  # without statistics every parameter and buffer comes from a checkpoint
        if statistics is not None:
            shape = (float(np.median(statistics.widths)), float(np.median(statistics.heights)))
        heads = sorted({"cls", "reg"}.union(*(loss.needs for loss in losses.values())))
        return EarlyFusion(self, shape, heads, nn.ModuleDict(losses))


class EarlyFusion(Tracker):
    """Convolutions over the six channels of two frames, then one head for each prediction."""

    anchor_shapes: Tensor

    def __init__(self, config: Config, shape: tuple[float, float], heads: list[str], losses: nn.ModuleDict) -> None:
        super().__init__()
        self.config, self.losses = config, losses
        self.register_buffer("anchor_shapes", torch.tensor([shape]))
        width = config.width
        strides = [2, 2, 2] + [1] * config.depth
        inputs = [6] + [width] * (len(strides) - 1)
        self.trunk = nn.Sequential(*(_layer(n, width, stride) for n, stride in zip(inputs, strides, strict=True)))
        self.heads = nn.ModuleDict({name: _head(width, OUTPUTS[name]) for name in heads})

    def predict(self, first: Tensor, second: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Predictions as in `study.losses.TaskLoss`, and the features they were made of."""
        features = self.trunk(torch.cat([first, second], dim=1) - 0.5)
        predictions = {name: head(features).flatten(2).transpose(1, 2).float() for name, head in self.heads.items()}
        for name in {"cls", "reid"} & set(predictions):
            predictions[name] = predictions[name].squeeze(-1)
        predictions["anchors"] = anchors.grid(self.anchor_shapes, [STRIDE], [tuple(features.shape[2:])])
        return predictions, features

    def forward(self, batch: FrameBatch) -> TrainingOutput:
        """Task losses of a batch of pairs."""
        predictions, features = self.predict(batch.first_images, batch.second_images)
        targets = anchors.assign(predictions["anchors"], batch.first, batch.second)
        losses = {name: loss(predictions, targets).mean() for name, loss in self.losses.items()}
        return TrainingOutput(losses, shared_features=[features])

    def online(self) -> "OnlineEarlyFusion":
        """Start on a new sequence."""
        return OnlineEarlyFusion(self)


class OnlineEarlyFusion:
    """One sequence: the frame before, and the tracks so far."""

    def __init__(self, network: EarlyFusion) -> None:
        self.network = network
        self.previous: Tensor | None = None
        self.associator = Chainer(network.config.association)

    @torch.inference_mode()
    def update(self, image: Tensor) -> FrameTracks:
        """Take the next frame; see `study.tracker.OnlineTracker`."""
        threshold = self.network.config.candidate_score
        current = image[None].float() / 255
        previous = current if self.previous is None else self.previous
        self.previous = current
        predictions, _ = self.network.predict(current, previous)
        scores = predictions["cls"][0].sigmoid()
        near = scores >= threshold
        offsets = predictions["reg"][0, near].view(-1, 2, 4).transpose(0, 1)
        boxes, previous_boxes = decode(offsets, predictions["anchors"][near]).double().cpu().numpy()
        kept, decayed = soft_nms(boxes, scores[near].double().cpu().numpy(), sigma=0.5, min_score=threshold)
        return self.associator.update(PairedDetections(boxes[kept], previous_boxes[kept], decayed))


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(1, outputs), nn.ReLU(inplace=True))


def _head(inputs: int, outputs: int) -> nn.Conv2d:
    head = nn.Conv2d(inputs, outputs, 1)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.constant_(head.bias, -4.6 if outputs == 1 else 0)  # focal losses start from a prior of 0.01
    return head
