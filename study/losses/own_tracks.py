"""What `dmota` and `dmotp` share: the tracker's own tracks against the objects, by either assignment."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor

from study.config import TaskLossConfig
from study.losses.assignment import TEMPERATURE, Counts, count, count_by_softmax, distances, sinkhorn
from study.losses.base import Shapes, TaskLoss
from study.losses.hungarian_network import HungarianNetwork, load


class OwnTracksConfig(TaskLossConfig):
    """Who is who: `sinkhorn`, or the deep Hungarian network, trained before, in the file `network`.

    The network takes seconds for forty tracks and forty objects on a CPU, and was trained on ten of each.
    """

    assignment: Literal["sinkhorn", "network"] = "sinkhorn"
    temperature: PositiveFloat = TEMPERATURE  # of `sinkhorn`, in distance; a higher one teaches from farther away
    network: str | None = None
    frames: Annotated[int, Field(ge=2)] = 2  # of a sample; identities can only be exchanged within it

    @model_validator(mode="after")
    def _has_its_network(self) -> Self:
        if (self.assignment == "network") != (self.network is not None):
            raise ValueError(
                f"assignment {self.assignment!r} with network {self.network!r}: expected assignment 'network' and the "
                "file of one ('python -m study.losses.hungarian_network OUT.pt'), or neither"
            )
        return self

    @property
    def num_frames(self) -> int:  # type: ignore[override]
        """As set."""
        return self.frames

    def check(self) -> None:
        """Refuse a network that is not there.

        Raises:
            UserError: no file, or another one.
        """
        if self.network is not None:
            load(self.network)


class OwnTracksLoss(TaskLoss):
    """A loss on what the tracker itself finds and follows in the frames of a sample.

    The network of assignments is fixed, and no part of the tracker: it is in no checkpoint, and tracking needs no file.
    """

    needs: ClassVar[tuple[str, ...]] = ("detections",)

    def __init__(self, config: OwnTracksConfig) -> None:
        super().__init__()
        self._temperature, self._file = config.temperature, config.network
        self._network: list[HungarianNetwork] = []  # in a list, so that it is no submodule

    def shape(self, shapes: Shapes) -> None:
        """Load the network of assignments, where something is to be trained.

        Raises:
            UserError: there is none in its file.
        """
        if self._file is not None and shapes.num_identities is not None:
            self._network = [load(self._file)]

    def frames(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> list[tuple[Tensor, Counts]]:
        """Distances [B, K, N] and soft counts of every frame of a sample.

        Args:
            predictions: `detections` [B, F, K, 4] and `detected` bool [B, F, K]; a row k is one track in all frames.
            targets: `boxes` [B, F, N, 4], `present` bool [B, F, N] and `image_size`.
        """
        diagonal = targets["image_size"].norm()
        found = []
        for frame in range(predictions["detections"].shape[1]):
            tracks, objects = predictions["detected"][:, frame], targets["present"][:, frame]
            distance = distances(predictions["detections"][:, frame], targets["boxes"][:, frame], diagonal)
            if self._network:
                counts = count_by_softmax(self._by_network(distance, tracks, objects), tracks, objects)
            else:
                counts = count(sinkhorn(distance, tracks, objects, temperature=self._temperature), tracks, objects)
            found.append((distance, counts))
        return found

    def _by_network(self, distance: Tensor, tracks: Tensor, objects: Tensor) -> Tensor:
        network = self._network[0].to(distance.device)
        # Image by image: the network sees what there is, and nothing that only fills a place.
        images = []
        for distances_here, rows, columns in zip(distance, tracks, objects, strict=True):
            row, column = rows.nonzero()[:, 0], columns.nonzero()[:, 0]
            with torch.backends.cudnn.flags(enabled=False):  # cuDNN has no backward of a network in evaluation mode
                soft = network(distances_here[row][:, column][None].float()).sigmoid()[0]
            empty = torch.zeros_like(distances_here)
            images.append(empty.index_put((row[:, None], column[None, :]), soft.to(empty)))
        return torch.stack(images)
