"""Backbones: torchvision's ResNets, and a small residual network of configurable width."""

from collections.abc import Callable
from pathlib import Path
from typing import Union

import numpy as np
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from study.errors import UserError
from study.tensors import load_parameters

RESNETS = ("resnet18", "resnet34", "resnet50")

Backbone = Union["ResNetBackbone", "SmallBackbone"]


class FrozenStatisticsBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the pretrained running statistics; only its affine parameters are trained."""

    def train(self, mode: bool = True) -> "FrozenStatisticsBatchNorm":  # noqa: ARG002
        """Stay in evaluation mode."""
        return super().train(False)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation: as many affine parameters as batch normalisation, and no dependence on the batch."""
    return nn.GroupNorm(max(1, min(32, channels // 4)), channels)


class ResNetBackbone(nn.Module):
    """A torchvision ResNet without its classifier.

    Args:
        name: one of `RESNETS`.
        pretrained: `"imagenet"` (torchvision's own loading, which downloads), a file holding a state dict, or None:
            group normalisation and random initialisation.
        load: False makes the layers of a pretrained network without reading parameters that a checkpoint brings.

    Raises:
        UserError: the file is missing, unreadable or holds other parameters.
    """

    def __init__(self, name: str, top: int, pretrained: str | None, *, load: bool = True) -> None:
        super().__init__()
        norm: Callable[[int], nn.Module] = FrozenStatisticsBatchNorm if pretrained else group_norm
        weights = "DEFAULT" if load and pretrained == "imagenet" else None
        network: ResNet = torchvision.models.get_model(name, weights=weights, norm_layer=norm)
        if load and pretrained and pretrained != "imagenet":
            load_state_dict(network, Path(pretrained))
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        stages = [network.layer1, network.layer2, network.layer3, network.layer4]
        self.stages = nn.ModuleList(stages[: top - 1])  # nothing would train those above
        expansion = 1 if name in ("resnet18", "resnet34") else 4
        self.channels = {level: expansion * 64 * 2 ** (level - 2) for level in range(2, top + 1)}

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Feature maps C2 (stride 4) ... by level."""
        return run_stages(self.stem(images), self.stages)


class SmallBackbone(nn.Module):
    """One basic residual block a level, `width` channels at stride 4, doubled at every level.

    Args:
        width: channels at stride 2 and 4, a multiple of 4.
        levels: coarsest level, 3 to 5.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.channels = {level: width * 2 ** (level - 2) for level in range(2, levels + 1)}
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), group_norm(width), nn.ReLU(inplace=True)
        )
        inputs = [width, *list(self.channels.values())[:-1]]
        self.stages = nn.ModuleList(
            self._block(before, after) for before, after in zip(inputs, self.channels.values(), strict=True)
        )

    @staticmethod
    def _block(before: int, after: int) -> BasicBlock:
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), group_norm(after))
        return BasicBlock(before, after, stride=2, downsample=shortcut, norm_layer=group_norm)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Feature maps C2 ... by level."""
        return run_stages(self.stem(images), self.stages)


def make_backbone(name: str, width: int, top: int, pretrained: str | None, *, load: bool) -> "Backbone":
    """A backbone by name: `small`, or one of `RESNETS`.

    Args:
        name: of it.
        width: of the small one.
        top: its coarsest level, 3 to 5.
        pretrained: as for `ResNetBackbone`.
        load: as for `ResNetBackbone`.

    Raises:
        UserError: the small one has no pretrained parameters; or as for `ResNetBackbone`.
    """
    if name in RESNETS:
        return ResNetBackbone(name, top, pretrained, load=load)
    if pretrained:
        raise UserError(f"tracker.pretrained: only for {', '.join(RESNETS)}; found backbone {name!r}")
    return SmallBackbone(width, top)


def normalise(images: Tensor) -> Tensor:
    """Float images [B, 3, H, W] in 0-1 by ImageNet's channel statistics, which pretrained parameters expect."""
    return (images - images.new_tensor(_MEAN)) / images.new_tensor(_STD)


_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32).reshape(3, 1, 1)
_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32).reshape(3, 1, 1)


def run_stages(features: Tensor, stages: nn.ModuleList) -> dict[int, Tensor]:
    """Outputs of consecutive stages by level, the first being level 2 (stride 4)."""
    outputs = {}
    for level, stage in enumerate(stages, start=2):
        features = stage(features)
        outputs[level] = features
    return outputs


def check_pretrained(pretrained: str | None) -> None:
    """Refuse a file of pretrained parameters that is not there.

    Raises:
        UserError: no such file.
    """
    if pretrained not in (None, "imagenet") and not Path(pretrained).is_file():
        raise UserError(f"tracker.pretrained: {pretrained}: no such file of pretrained parameters")


def load_state_dict(module: nn.Module, path: Path) -> None:
    """Load parameters from a file without unpickling anything but tensors.

    Raises:
        UserError: the file is missing, is no state dict, or belongs to another architecture.
    """
    try:
        load_parameters(module, path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of pretrained parameters") from None
    except ValueError as error:
        raise UserError(f"{path}: not a state dict of {type(module).__name__} ({error})") from None
