"""`center`: objects as points of a stride-4 map, with an embedding each.

Zhang et al. 2021 ("FairMOT"), and CL-MOT, whose heads are the same. Deviations: any backbone of
`study.tracker.backbone` under a feature pyramid instead of deformable convolutions; group normalisation without
pretrained parameters.
"""

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from study.batch import FrameBatch
from study.config import Objective, TrackerConfig
from study.errors import UserError
from study.losses.embeddings import retrieval
from study.tracker.association import Association, Associator, Detections, Fraction
from study.tracker.backbone import Backbone, check_pretrained, make_backbone, normalise
from study.tracker.base import FrameTracks, Tracker, TrainingOutput
from study.tracker.centers import boxes_at, cells, heatmaps, peaks
from study.tracker.heads import TaskLosses, build_losses, needed
from study.tracker.maps import Decoder, Maps, make_head
from study.tracker.slots import Slots, align

STRIDE = 4
"""Pixels a cell of the map."""

_PRIOR = 0.1
"""Probability of a centre that the heat map begins with (Law and Deng 2018, section 4.1)."""


class Config(TrackerConfig):
    """Architecture and inference of the centre tracker. The defaults are a network for laptops."""

    num_frames: ClassVar[int] = 1

    backbone: Literal["small", "resnet18", "resnet34", "resnet50"] = "small"
    width: Annotated[int, Field(ge=4, multiple_of=4)] = 16  # of the small backbone
    pretrained: str | None = None  # "imagenet", or a file with a state dict of the ResNet
    top_level: Annotated[int, Field(ge=2, le=5)] = 4  # coarsest level of the backbone that is used; stride 2 ** level
    channels: PositiveInt = 64  # of the map
    head_channels: PositiveInt = 64
    embedding_channels: NonNegativeInt = 64  # 0: no embedding
    projection: tuple[PositiveInt, PositiveInt] | None = None  # (hidden, outputs) of layers that losses alone see
    learn_from: Literal["first", "all"] = "all"  # frames of a sample that detection learns from
    mirror: bool = False  # tracking looks at each frame's mirror image too, and takes the mean, at twice the cost
    candidate_score: Fraction = 0.1
    max_candidates: PositiveInt = 100
    association: Association = Association()

    def check(self) -> None:
        """Refuse a file of pretrained parameters that is not there.

        Raises:
            UserError: no such file.
        """
        check_pretrained(self.pretrained)

    def build(self, objective: Objective, statistics: Any) -> "CenterTracker":
        """Make the network.

        Args:
            objective: its task losses must need nothing that the network does not predict.
            statistics: of the training split, for the number of identities; None where all parameters come from a
                checkpoint.

        Raises:
            UserError: settings that do not fit each other.
        """
        if self.projection is not None and not self.embedding_channels:
            raise UserError("tracker.projection: needs an embedding; set tracker.embedding_channels")
        offered = {"heatmap", "cls", "size", "offset", "boxes", "detections"}
        offered |= {"embedding", "embedding_map"} if self.embedding_channels else set()
        offered |= {"third_frame"} if self.learn_from == "all" else set()
        remedies = {
            **{name: f"{name!r}; set tracker.embedding_channels above 0" for name in ("embedding", "embedding_map")},
            "third_frame": "'third_frame'; set tracker.learn_from to 'all'",
        }
        channels = self.projection[1] if self.projection else self.embedding_channels
        losses = build_losses(objective, offered, remedies, channels, statistics)
        wanted = needed(objective)
        if not wanted & {"heatmap", "cls"} or not ({"boxes"} <= wanted or {"size", "offset"} <= wanted):
            raise UserError(
                f"objective {objective.name!r}: a centre tracker learns where objects are from 'heatmap' or 'cls', and "
                f"their boxes from 'boxes', or 'size' and 'offset'; its task losses read {', '.join(sorted(wanted))}"
            )
        if self.projection is not None and "embedding" not in wanted:
            raise UserError(
                f"tracker.projection: no task loss of objective {objective.name!r} reads 'embedding', which it projects"
            )
        backbone = make_backbone(
            self.backbone, self.width, self.top_level, self.pretrained, load=statistics is not None
        )
        embeds = bool(wanted & {"embedding", "embedding_map"})  # a head that nothing trains would tell nothing
        network = CenterTracker(self, backbone, losses, self.embedding_channels if embeds else 0)
        if statistics is not None:
            network.begin_with(float(np.median(statistics.widths)), float(np.median(statistics.heights)))
        return network


class CenterTracker(Tracker):
    """Backbone, decoder to stride 4, and heads for heat map, size, offset and embedding."""

    def __init__(self, config: Config, backbone: Backbone, losses: TaskLosses, embedding_channels: int) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.levels = list(range(2, config.top_level + 1))
        self.decoder = Decoder([backbone.channels[level] for level in self.levels], config.channels)
        outputs = {"heatmap": 1, "size": 2, "offset": 2}
        if embedding_channels:
            outputs["embedding"] = embedding_channels
        self.heads = nn.ModuleDict(
            {name: make_head(config.channels, config.head_channels, count) for name, count in outputs.items()}
        )
        nn.init.constant_(self.heads["heatmap"][-1].bias, -math.log(1 / _PRIOR - 1))  # type: ignore[index]
        self.projection: nn.Module | None = None
        if config.projection is not None and embedding_channels:
            hidden, count = config.projection
            self.projection = nn.Sequential(
                nn.Linear(embedding_channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, count)
            )
        self.losses = losses
        self.follows = any("detections" in loss.needs for loss in losses.values())  # type: ignore[operator]

    def begin_with(self, width: float, height: float) -> None:
        """Begin with boxes of this size, in pixels: empty ones would have no gradient of their place."""
        with torch.no_grad():
            self.heads["size"][-1].bias.copy_(torch.tensor([width, height]) / STRIDE)  # type: ignore[index]

    def features(self, images: Tensor) -> Tensor:
        """The stride-4 map of float images [M, 3, H, W] in 0-1."""
        maps = self.backbone(normalise(images))
        finest: Tensor = self.decoder([maps[level] for level in self.levels])
        return finest

    def predict(self, features: Tensor) -> Maps:
        """Outputs of the heads; heat maps are logits, embeddings have length 1."""
        maps = {name: self.heads[name](features).float() for name in self.heads}
        embedding = F.normalize(maps["embedding"], dim=1) if "embedding" in maps else None
        return Maps(maps["heatmap"], maps["size"], maps["offset"], embedding)

    def forward(self, batch: FrameBatch) -> TrainingOutput:
        """Task losses of a batch."""
        features = self.features(batch.images.flatten(0, 1))
        maps = self.predict(features)
        predictions, targets = self._at_objects(maps, align(batch.targets), batch.images)
        if self.follows:
            predictions |= self.followed(maps, *batch.images.shape[:2])
        losses, performance = self.losses(predictions, targets)
        counts = {}
        if "embedding" in predictions and not self.training:  # only validation asks
            right, asked = retrieval(predictions, targets)
            counts["id"] = (right[0], asked[0])
        return TrainingOutput(losses, [features], counts, performance)

    def _at_objects(self, maps: Maps, slots: Slots, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Predictions at the centres of the objects, and targets; keys and shapes as in `study.losses.TaskLoss`."""
        batch, frames = images.shape[:2]
        rows, columns = maps.heatmap.shape[-2:]
        learned = 1 if self.config.learn_from == "first" else frames
        place, centres = cells(slots.boxes_xyxy, STRIDE, rows, columns)
        present = slots.present[:, :learned]

        def pick(values: Tensor, count: int) -> Tensor:
            """Values at the centres of the first frames, [B, count, N, channels]."""
            flat = values.unflatten(0, (batch, frames))[:, :count].flatten(3).transpose(2, 3)
            index = place[:, :count, :, 1] * columns + place[:, :count, :, 0]
            return flat.gather(2, index[..., None].expand(-1, -1, -1, flat.shape[-1]))

        size, offset = pick(maps.size, learned), pick(maps.offset, learned)
        wanted = heatmaps(slots.boxes_xyxy[:, :learned].flatten(0, 1), present.flatten(0, 1), STRIDE, rows, columns)
        wanted = wanted.unflatten(0, (batch, learned))
        heat = maps.heatmap.unflatten(0, (batch, frames))[:, :learned, 0]
        predictions = {
            "heatmap": heat,
            "size": size,
            "offset": offset,
            "boxes": boxes_at(place[:, :learned], offset, size, STRIDE),
            "cls": heat.flatten(1),
        }
        if maps.embedding is not None:
            embedding = pick(maps.embedding, frames)
            if self.projection is not None:
                embedding = F.normalize(self.projection(embedding).float(), dim=-1)
            predictions["embedding"] = embedding
            predictions["embedding_map"] = maps.embedding.unflatten(0, (batch, frames))
        boxes = slots.boxes_xyxy
        near = torch.zeros_like(wanted, dtype=torch.long).masked_fill(wanted > 0, -1).masked_fill(wanted == 1, 1)
        targets = {
            "heatmap": wanted,
            "size": (boxes[:, :learned, :, 2:] - boxes[:, :learned, :, :2]) / STRIDE,
            "offset": (centres - place)[:, :learned],
            "boxes": boxes,
            "cells": place,
            "cls": near.flatten(1),
            "present": slots.present,
            "ids": slots.ids,
            "image_size": boxes.new_tensor([images.shape[-1], images.shape[-2]]),
        }
        return predictions, targets

    def followed(self, maps: Maps, batch: int, frames: int) -> dict[str, Tensor]:
        """What the tracker itself finds and follows in the frames of each sample; boxes have gradients, choices none.

        Returns:
            `detections` [B, F, K, 4] and `detected` bool [B, F, K]; a row k is one track in all frames.
        """
        samples = []
        for image in range(batch):
            associator = Associator(self.config.association.model_copy(update={"confirm_after": 1}))
            found = [self.detect(maps, image * frames + frame) for frame in range(frames)]
            ids = [torch.from_numpy(associator.identify(_plain(*one))).to(one[0].device) for one in found]
            known, row = torch.cat(ids).unique(return_inverse=True)
            rows = row.split([len(part) for part in ids])
            # Row 0 takes what belongs to no track, if there is any, and is cut off.
            first = int(len(known) > 0 and known[0] == 0)
            boxes, seen = [], []
            for (places, _, _), place in zip(found, rows, strict=True):
                boxes.append(places.new_zeros(len(known), 4).index_put((place,), places)[first:])
                here = torch.zeros(len(known), dtype=torch.bool, device=place.device)
                seen.append(here.index_fill(0, place, True)[first:])
            samples.append((torch.stack(boxes), torch.stack(seen)))
        count = max(1, *(seen.shape[1] for _, seen in samples))
        attached = 0 * (maps.size.sum() + maps.offset.sum())  # a loss without any track still has a gradient, of 0
        return {
            "detections": torch.stack([F.pad(b, (0, 0, 0, count - b.shape[1])) for b, _ in samples]) + attached,
            "detected": torch.stack([F.pad(seen, (0, count - seen.shape[1])) for _, seen in samples]),
        }

    def detect(self, maps: Maps, index: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Boxes [K, 4] of at least a pixel each way, scores [K] and embeddings [K, C] of one frame of the maps."""
        config = self.config
        place, scores = peaks(maps.heatmap[index, 0].detach().sigmoid(), config.max_candidates)
        place, scores = place[scores >= config.candidate_score], scores[scores >= config.candidate_score]
        column, row = place.unbind(1)
        offset, size = (values[index, :, row, column].T for values in (maps.offset, maps.size))
        embedding = None if maps.embedding is None else maps.embedding[index, :, row, column].T
        return boxes_at(place, offset, size.clamp(min=1 / STRIDE), STRIDE), scores, embedding

    def static_parts(self) -> list[nn.Module]:
        """All but the task losses, whose numbers of objects differ."""
        return [self.backbone, self.decoder, *self.heads.values()]

    def last_shared_layer(self) -> list[nn.Parameter]:
        """The convolution that makes the map."""
        return [parameter for name, parameter in self.decoder.output.named_parameters() if name == "weight"]

    def online(self) -> "OnlineCenter":
        """Start on a new sequence."""
        return OnlineCenter(self)


class OnlineCenter:
    """One sequence: the tracks so far."""

    def __init__(self, network: CenterTracker) -> None:
        self.network = network
        self._associator = Associator(network.config.association)

    @torch.inference_mode()
    def update(self, image: Tensor) -> FrameTracks:
        """Take the next frame; see `study.tracker.OnlineTracker`."""
        frame = image[None].float() / 255
        if self.network.config.mirror:
            frame = F.pad(frame, (0, -frame.shape[-1] % STRIDE))  # so that cells of both images lie upon each other
            frame = torch.cat([frame, frame.flip(-1)])
        maps = self.network.predict(self.network.features(frame))
        if self.network.config.mirror:
            maps = maps.with_mirror_image()
        return self._associator.update(_plain(*self.network.detect(maps, 0)))


def _plain(boxes: Tensor, scores: Tensor, embeddings: Tensor | None) -> Detections:
    """Detections for the association, without gradients."""
    values = [None if part is None else part.detach().double().cpu().numpy() for part in (boxes, scores, embeddings)]
    return Detections(*values)  # type: ignore[arg-type]
