"""What a centre tracker predicts, as maps of one stride, and the layers that make them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from study.tracker.backbone import group_norm


@dataclass(frozen=True)
class Maps:
    """Outputs of the heads, each [M, channels, rows, columns]."""

    heatmap: Tensor
    size: Tensor
    offset: Tensor
    embedding: Tensor | None

    def with_mirror_image(self) -> "Maps":
        """Of two images, the second being the first one's mirror image: one of the means, with the first's offsets.

        As CenterNet's flip testing (Zhou et al. 2019, "Objects as Points", section 5).
        """

        def mean(values: Tensor) -> Tensor:
            return (values[:1] + values[1:].flip(-1)) / 2

        embedding = None if self.embedding is None else F.normalize(mean(self.embedding), dim=1)
        heatmap = mean(self.heatmap.sigmoid()).logit(eps=1e-6)
        return Maps(heatmap, mean(self.size), self.offset[:1], embedding)


class Decoder(nn.Module):
    """A feature pyramid down to its finest map alone (Lin et al. 2017, "Feature Pyramid Networks", section 3).

    torchvision's makes a map of every level, of which all but one would learn nothing.

    Args:
        inputs: channels of the backbone's maps, fine to coarse.
        channels: of the result.
    """

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in inputs)
        self.output = nn.Conv2d(channels, channels, 3, padding=1)
        for layer in (*self.lateral, self.output):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The map of the finest level."""
        *finer, features = (lateral(values) for lateral, values in zip(self.lateral, maps, strict=True))
        for values in reversed(finer):
            features = values + F.interpolate(features, size=values.shape[-2:], mode="nearest")
        found: Tensor = self.output(features)
        return found


def make_head(inputs: int, channels: int, outputs: int) -> nn.Sequential:
    """A convolution with normalisation and ReLU, then one of a single cell to the outputs."""
    hidden = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
    last = nn.Conv2d(channels, outputs, 1)
    nn.init.kaiming_normal_(hidden.weight, nonlinearity="relu")
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(hidden, group_norm(channels), nn.ReLU(inplace=True), last)
