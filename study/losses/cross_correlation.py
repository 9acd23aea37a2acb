"""`cross_correlation`: a target's features of one frame, slid over the next one's, answer where the target is."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, field_validator
from torch import Tensor, nn

from study.config import TaskLossConfig
from study.losses.base import TaskLoss, masked_mean


class Config(TaskLossConfig):
    """Side of a target's template, and how near to its centre an answer is right; both in cells of the map."""

    name: str = "cross_correlation"
    template: Annotated[int, Field(ge=1)] = 3
    radius: PositiveFloat = 1.5

    @field_validator("template")
    @classmethod
    def _has_a_middle(cls, side: int) -> int:
        if side % 2 == 0:
            raise ValueError(f"expected an odd number of cells, found {side}: a template has a cell in its middle")
        return side

    def build(self) -> "CrossCorrelation":
        """Make the task loss."""
        return CrossCorrelation(self)

    def identities(self) -> Literal["labels"]:
        """From labels: the target is to be known in the second frame."""
        return "labels"


class CrossCorrelation(TaskLoss):
    """Logistic loss over the response map of each object, the right places and the others averaged apart.

    Bertinetto et al. 2016 ("SiamFC"), equations 1 to 4: template and search are features of the same network, the
    response is their correlation with a scale and a bias of its own, and places within a radius of the target are
    right. Deviations: templates are cut from the features, not from the image; they have length 1 in each cell, so
    that a response is a mean cosine before it is scaled; the whole next frame is searched.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding_map",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.side, self.radius = config.template, config.radius
        self.scale, self.bias = nn.Parameter(torch.tensor(10.0)), nn.Parameter(torch.tensor(-5.0))

    def forward(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Loss of every image, shape [B]; 0 for an image without an object in both frames."""
        responses, right, known = self._responses(predictions, targets)
        losses = F.binary_cross_entropy_with_logits(responses, right.to(responses.dtype), reduction="none")
        sides = [masked_mean(losses, side, dim=-1) for side in (right, ~right)]
        each = (sides[0] + sides[1]) / 2
        return masked_mean(each, known)

    @torch.no_grad()
    def performance(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Share of objects whose highest response is at a right place; one group."""
        responses, right, known = self._responses(predictions, targets)
        highest = right.gather(2, responses.argmax(dim=2, keepdim=True))[..., 0]
        return (highest & known).sum()[None], known.sum()[None]

    def _responses(
        self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Responses [B, N, cells], which of them are right, and which objects are in both frames [B, N]."""
        maps, place = predictions["embedding_map"], targets["cells"]
        columns = maps.shape[-1]
        # One convolution of all images, each with its own templates.
        templates = self._templates(maps[:, 0], place[:, 0]) / self.side**2
        searched = maps[:, 1].flatten(0, 1)[None]
        found = F.conv2d(searched, templates.flatten(0, 1), padding=self.side // 2, groups=len(maps))
        responses = found.view(*templates.shape[:2], -1)
        cell = torch.arange(responses.shape[-1], device=place.device)
        apart = torch.stack([cell % columns, cell // columns], dim=-1) - place[:, 1, :, None]
        right = apart.pow(2).sum(-1) <= self.radius**2
        return self.scale * responses + self.bias, right, targets["present"][:, :2].all(dim=1)

    def _templates(self, features: Tensor, place: Tensor) -> Tensor:
        """Windows [B, N, C, side, side] of maps [B, C, rows, columns] around cells [B, N, 2]; 0 beyond the border."""
        padded = F.pad(features, [self.side // 2] * 4)
        step = torch.arange(self.side, device=place.device)
        rows, columns = place[..., 1, None, None] + step[:, None], place[..., 0, None, None] + step
        index = (rows * padded.shape[-1] + columns).flatten(1)
        windows = padded.flatten(2).gather(2, index[:, None].expand(-1, padded.shape[1], -1))
        return windows.view(*features.shape[:2], place.shape[1], self.side, self.side).transpose(1, 2)
