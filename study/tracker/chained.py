"""`chained`: the chained tracker, pairs of frames in, paired boxes out.

Peng et al. 2020 ("Chained-Tracker"), with the towers and losses of "Balancing Multiple Object Tracking Objectives based
on Learned Weighting Factors". Deviations: group normalisation without pretrained parameters; association without
waiting for the next frame (`study.tracker.chaining`).
"""

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from study.batch import FrameBatch, join
from study.config import Objective, TrackerConfig
from study.errors import UserError
from study.offsets import decode
from study.tracker import anchors
from study.tracker.backbone import Backbone, check_pretrained, group_norm, make_backbone, normalise
from study.tracker.base import FrameTracks, Tracker, TrainingOutput
from study.tracker.chaining import Chainer, Chaining, Fraction, PairedDetections, soft_nms
from study.tracker.heads import TaskLosses, build_losses

OUTPUTS = {"cls": 1, "reid": 1, "reg": 8}


class Config(TrackerConfig):
    """Architecture and inference of the chained tracker.

    The defaults are a network for laptops. `paper()` is the published one.
    """

    backbone: Literal["small", "resnet18", "resnet34", "resnet50"] = "small"
    width: Annotated[int, Field(ge=4, multiple_of=4)] = 16  # of the small backbone
    pretrained: str | None = None  # "imagenet", or a file with a state dict of the ResNet
    levels: tuple[Annotated[int, Field(ge=2, le=7)], ...] = (3, 4)  # of the pyramid; stride 2 ** level
    fpn_channels: PositiveInt = 64
    pair_fusion: Literal["concat", "halves"] = "concat"  # halves: half of each frame's channels
    towers: tuple[Literal["cls", "reg", "reid"], ...] = ("cls", "reg", "reid")
    tower_channels: PositiveInt = 64
    tower_depth: PositiveInt = 4
    tower_norm: bool = True
    attention: bool = False  # the regression tower's input times sigmoid(reid) and sigmoid(cls)
    anchors: Literal["data", "paper"] | tuple[tuple[float, float], ...] = "data"  # or (width, height) a level
    match_iou: tuple[Fraction, Fraction] = (0.4, 0.5)  # an anchor is background below, an object from there on
    both_orders: bool = False  # learn every pair in both orders: one pass of the backbone, twice the supervision
    candidate_score: Fraction = 0.05
    max_candidates: PositiveInt = 200  # best anchors of a frame that non-maximum suppression looks at
    nms_sigma: Annotated[float, Field(gt=0)] = 0.5
    association: Chaining = Chaining()

    @classmethod
    def paper(cls, **changes: Any) -> "Config":
        """The published architecture: ResNet-50, P3 to P7 of 256 channels, 512-channel tower inputs, attention."""
        settings: dict[str, Any] = {
            "backbone": "resnet50",
            "levels": (3, 4, 5, 6, 7),
            "fpn_channels": 256,
            "tower_channels": 256,
            "tower_norm": False,
            "attention": True,
            "anchors": "paper",
        }
        return cls(**(settings | changes))

    def check(self) -> None:
        """Refuse a file of pretrained parameters that is not there.

        Raises:
            UserError: no such file.
        """
        check_pretrained(self.pretrained)

    def build(self, objective: Objective, statistics: Any) -> "ChainedTracker":
        """Make the network.

        Args:
            objective: its task losses must need no tower that the network lacks.
            statistics: widths and heights of the training boxes, for `anchors="data"`; None where all parameters
                come from a checkpoint.

        Raises:
            UserError: settings that do not fit each other.
        """
        top = max(level for level in self.levels if level <= 5)
        if list(self.levels) != list(range(self.levels[0], self.levels[-1] + 1)) or self.levels[-1] == 6:
            raise UserError(
                f"tracker.levels: expected consecutive levels ending at 5 or below, or at 7; found {self.levels}"
            )
        if self.attention and not {"cls", "reg", "reid"} <= set(self.towers):
            raise UserError(f"tracker.attention: needs the towers cls, reg and reid; found {', '.join(self.towers)}")
        if not {"cls", "reg"} <= set(self.towers):
            raise UserError(f"tracker.towers: cls and reg are needed to track; found {', '.join(self.towers)}")
        if isinstance(self.anchors, tuple):
            shapes = list(self.anchors)
        elif self.anchors == "paper":
            shapes = anchors.paper_shapes([level for level in self.levels if level >= 3])
        elif statistics is None:
            shapes = [(1.0, 1.0)] * len(self.levels)
        else:
            shapes = anchors.shapes_from_data(statistics, len(self.levels))
        if len(shapes) != len(self.levels):
            raise UserError(
                f"tracker.anchors: expected one shape for each of levels {self.levels}; found {len(shapes)}"
            )
        remedies = {"reid": "the tower 'reid'; add it to tracker.towers"}
        losses = build_losses(objective, {*self.towers, "boxes"}, remedies, 0, statistics)
        backbone = make_backbone(self.backbone, self.width, top, self.pretrained, load=statistics is not None)
        return ChainedTracker(self, backbone, shapes, losses)


class ChainedTracker(Tracker):
    """Backbone, feature pyramid and up to three towers on the features of a pair."""

    anchor_shapes: Tensor

    def __init__(
        self,
        config: Config,
        backbone: Backbone,
        shapes: list[tuple[float, float]],
        losses: TaskLosses,
    ) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.fpn_levels = [level for level in config.levels if level <= 5]
        inputs = [backbone.channels[level] for level in self.fpn_levels]
        extra = LastLevelP6P7(inputs[-1], config.fpn_channels) if config.levels[-1] == 7 else None
        self.fpn = FeaturePyramidNetwork(inputs, config.fpn_channels, extra)
        width = config.fpn_channels * (2 if config.pair_fusion == "concat" else 1)
        towers: dict[str, nn.Sequential] = {name: tower(config, width, OUTPUTS[name]) for name in config.towers}
        self.losses = losses
        self.compares_boxes = any("boxes" in loss.needs for loss in losses.values())  # type: ignore[operator]
        self.register_buffer("anchor_shapes", torch.tensor(shapes, dtype=torch.float32))
        for name in {"cls", "reid"} & set(config.towers):
            # Focal loss starts from a prior of 0.01 (Lin et al. 2017, section 4.1).
            nn.init.constant_(towers[name][-1].bias, -math.log(99))  # type: ignore[arg-type]
        nn.init.zeros_(towers["reg"][-1].weight)  # type: ignore[arg-type]
        self.towers = nn.ModuleDict(towers)

    def features(self, images: Tensor) -> list[Tensor]:
        """Pyramid maps of float images [B, 3, H, W] in 0-1, fine to coarse."""
        maps = self.backbone(normalise(images))
        return list(self.fpn({str(level): maps[level] for level in self.fpn_levels}).values())

    def fuse(self, first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
        """Pair features: what the towers see of two frames."""
        if self.config.pair_fusion == "concat":
            return [torch.cat(pair, dim=1) for pair in zip(first, second, strict=True)]
        half = self.config.fpn_channels // 2
        return [torch.cat([a[:, :half], b[:, half:]], dim=1) for a, b in zip(first, second, strict=True)]

    def predict(self, pair_features: list[Tensor]) -> dict[str, Tensor]:
        """Predictions of the towers, keys and shapes as in `study.losses.TaskLoss`, with the anchors."""
        maps: dict[str, list[Tensor]] = {name: [] for name in self.config.towers}
        for features in pair_features:
            for name in ("cls", "reid"):
                if name in maps:
                    maps[name].append(self.towers[name](features))
            if self.config.attention:
                features = features * maps["reid"][-1].sigmoid() * maps["cls"][-1].sigmoid()
            maps["reg"].append(self.towers["reg"](features))
        predictions = {
            name: torch.cat([m.flatten(2).transpose(1, 2) for m in levels], dim=1).float()
            for name, levels in maps.items()
        }
        for name in {"cls", "reid"} & set(maps):
            predictions[name] = predictions[name].squeeze(-1)
        sizes = [(int(f.shape[2]), int(f.shape[3])) for f in pair_features]
        predictions["anchors"] = anchors.grid(self.anchor_shapes, [2**level for level in self.config.levels], sizes)
        return predictions

    def forward(self, batch: FrameBatch) -> TrainingOutput:
        """Task losses of a batch of pairs."""
        maps = self.features(torch.cat([batch.first_images, batch.second_images]))
        first, second = batch.first, batch.second
        if self.config.both_orders:
            pair_features = self.fuse(maps, [m.roll(len(batch), 0) for m in maps])
            first, second = join(first, second), join(second, first)
        else:
            pair_features = self.fuse([m[: len(batch)] for m in maps], [m[len(batch) :] for m in maps])
        predictions = self.predict(pair_features)
        targets = anchors.assign(predictions["anchors"], first, second, self.config.match_iou)
        if self.compares_boxes:
            sizes = predictions["anchors"].new_tensor([batch.images.shape[-1], batch.images.shape[-2]])
            anchors.add_boxes(predictions, targets, sizes)
        losses, performance = self.losses(predictions, targets)
        counts = {}
        if "reid" in predictions:
            asked = (targets["cls"] == 1) & (targets["reid"] >= 0)
            right = asked & ((predictions["reid"] > 0) == (targets["reid"] == 1))
            counts["id"] = (right.sum(), asked.sum())
        return TrainingOutput(losses, pair_features, counts, performance)

    def static_parts(self) -> list[nn.Module]:
        """All but the task losses, whose numbers of objects differ."""
        return [self.backbone, self.fpn, *self.towers.values()]

    def last_shared_layer(self) -> list[nn.Parameter]:
        """Convolutions that make the pyramid's maps (P3 to P5, and P6 and P7 where there are any)."""
        layers: list[nn.Module] = [self.fpn.layer_blocks]
        if self.fpn.extra_blocks is not None:
            layers.append(self.fpn.extra_blocks)
        return [
            parameter for layer in layers for name, parameter in layer.named_parameters() if name.endswith("weight")
        ]

    def online(self) -> "OnlineChained":
        """Start on a new sequence."""
        return OnlineChained(self)


class OnlineChained:
    """One sequence: the previous frame's features and the tracks so far. Every frame is encoded once."""

    def __init__(self, network: ChainedTracker) -> None:
        self.network = network
        self._previous: list[Tensor] | None = None
        self._associator = Chainer(network.config.association)

    @torch.inference_mode()
    def update(self, image: Tensor) -> FrameTracks:
        """Take the next frame; see `study.tracker.OnlineTracker`."""
        network, config = self.network, self.network.config
        features = network.features(image[None].float() / 255)
        previous = self._previous or features
        self._previous = features
        predictions = network.predict(network.fuse(features, previous))
        scores = predictions["cls"][0].sigmoid()
        near = scores.topk(min(config.max_candidates, len(scores))).indices
        near = near[scores[near] >= config.candidate_score]
        boxes = decode(predictions["reg"][0, near].view(-1, 2, 4).transpose(0, 1), predictions["anchors"][near])
        first, second = boxes.double().cpu().numpy()
        kept, decayed = soft_nms(first, scores[near].double().cpu().numpy(), config.nms_sigma, config.candidate_score)
        return self._associator.update(PairedDetections(first[kept], second[kept], decayed))


def tower(config: Config, channels: int, outputs: int) -> nn.Sequential:
    """Convolutions with ReLU, then one to the outputs."""
    layers: list[nn.Module] = []
    for _ in range(config.tower_depth):
        layers.append(nn.Conv2d(channels, config.tower_channels, 3, padding=1))
        if config.tower_norm:
            layers.append(group_norm(config.tower_channels))
        layers.append(nn.ReLU(inplace=True))
        channels = config.tower_channels
    layers.append(nn.Conv2d(channels, outputs, 3, padding=1))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (9 * layer.in_channels)) if config.tower_norm else 0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.init.normal_(layers[-1].weight, std=0.01)  # type: ignore[arg-type]
    return nn.Sequential(*layers)
