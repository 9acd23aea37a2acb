"""Augmentation: one window, one flip and one photometric change for all frames of a place, or one for each view."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from study.config import Augmentation

MIN_VISIBLE_FRACTION = 0.35
"""A box of which less than this fraction lies inside the window is no training target."""

MAX_DEGREES = 10.0
"""By which a view is turned to either side."""


@dataclass(frozen=True)
class Change:
    """What is done to the frames of one place. The window is the part of the source that fills the result.

    Attributes:
        window_xyxy: pixels of the source, may reach outside it.
        flip: mirror left and right.
        brightness: factor on every value.
        contrast: factor on the distance from the mean of the place.
        saturation: factor on the distance from grey.
        degrees: by which the window is turned about its centre; a turned box is the smallest upright one around it.
    """

    window_xyxy: tuple[float, float, float, float]
    flip: bool
    brightness: float
    contrast: float
    saturation: float
    degrees: float = 0.0


def draw(random: np.random.Generator, config: Augmentation, width: int, height: int) -> Change:
    """Draw a change for a source of this size. The same number of draws is made whatever their outcome."""
    crop, flip, scale, x, y, *photometric = random.random(8)
    window = _whole(width, height)
    if crop < config.crop_probability:
        factor = config.min_scale + scale * (config.max_scale - config.min_scale)
        left, top = x * (width - factor * width), y * (height - factor * height)
        window = (left, top, left + factor * width, top + factor * height)
    spreads = (config.brightness, config.contrast, config.saturation)
    brightness, contrast, saturation = (1 + s * (2 * u - 1) for s, u in zip(spreads, photometric, strict=True))
    return Change(window, bool(flip < config.flip_probability), brightness, contrast, saturation)


def draw_view(random: np.random.Generator, config: Augmentation, width: int, height: int) -> Change:
    """Draw a change for one of several views of a frame: as `draw`, and turned."""
    change = draw(random, config, width, height)
    return replace(change, degrees=float(random.uniform(-MAX_DEGREES, MAX_DEGREES)))


def mirrored(width: int, height: int) -> Change:
    """The change that swaps left and right, and nothing else."""
    return replace(none(width, height), flip=True)


def none(width: int, height: int) -> Change:
    """The change that changes nothing."""
    return Change(_whole(width, height), False, 1.0, 1.0, 1.0)


def _whole(width: int, height: int) -> tuple[float, float, float, float]:
    return 0.0, 0.0, float(width), float(height)


def apply_to_boxes(boxes_xyxy: np.ndarray, change: Change, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Move boxes into the window.

    Args:
        boxes_xyxy: [N, 4], pixels of the source.
        change: what is done to the pair.
        width: of source and result.
        height: of source and result.

    Returns:
        Boxes in pixels of the result (not clipped), and which of them are still targets (bool [N]).
    """
    left, top, right, bottom = change.window_xyxy
    scale = np.array([width / (right - left), height / (bottom - top)] * 2)
    if change.degrees:
        boxes_xyxy = _turned(boxes_xyxy, change)
    moved = (boxes_xyxy - np.array([left, top] * 2)) * scale
    if change.flip:
        moved = np.stack([width - moved[:, 2], moved[:, 1], width - moved[:, 0], moved[:, 3]], axis=1)
    inside = np.clip(moved, 0, [width, height] * 2)
    fraction = np.prod(inside[:, 2:] - inside[:, :2], axis=1) / np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    return moved, fraction >= MIN_VISIBLE_FRACTION


def _turned(boxes_xyxy: np.ndarray, change: Change) -> np.ndarray:
    """Upright boxes around boxes that are turned about the window's centre, against the window's turn."""
    left, top, right, bottom = change.window_xyxy
    centre = np.array([left + right, top + bottom]) / 2
    cosine, sine = math.cos(math.radians(change.degrees)), math.sin(math.radians(change.degrees))
    corners = boxes_xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) - centre
    turned = corners @ np.array([[cosine, -sine], [sine, cosine]]) + centre
    return np.concatenate([turned.min(axis=1), turned.max(axis=1)], axis=1)


def apply_to_images(images: Tensor, changes: list[Change]) -> Tensor:
    """Resample and recolour the frames of every place alike.

    Args:
        images: uint8 [B, F, 3, H, W].
        changes: one a place.

    Returns:
        float32 [B, F, 3, H, W] in 0-1; what lies outside the source is the mean colour of the place.
    """
    frames, (height, width) = images.shape[1], images.shape[-2:]
    pixels = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    mean = pixels.mean(dim=(1, 3, 4), keepdim=True)
    whole = _whole(width, height)
    if cropped := [row for row, change in enumerate(changes) if change.window_xyxy != whole or change.degrees]:
        theta = torch.tensor([_theta(changes[row], width, height) for row in cropped], dtype=torch.float32)
        grid = F.affine_grid(theta.to(images.device), [len(cropped), 3 * frames, height, width], align_corners=False)
        sampled = F.grid_sample((pixels - mean)[cropped].flatten(1, 2), grid, align_corners=False)
        pixels[cropped] = sampled.unflatten(1, (frames, 3)) + mean[cropped]
    for row, change in enumerate(changes):
        if change.flip and row not in cropped:  # the others were flipped while they were resampled
            pixels[row].copy_(pixels[row].flip(-1))
    brightness, contrast, saturation = (
        torch.tensor([getattr(change, name) for change in changes], dtype=torch.float32, device=images.device).view(
            -1, 1, 1, 1, 1
        )
        for name in ("brightness", "contrast", "saturation")
    )
    # All three are affine in the pixels: three passes over them in place take half the time of one after the other.
    gain, shift = brightness * contrast, mean * brightness * (1 - contrast)
    grey = pixels.mean(dim=2, keepdim=True) * ((1 - saturation) * gain)
    shift = saturation * shift + (1 - saturation) * shift.mean(dim=2, keepdim=True)
    return pixels.mul_(saturation * gain).add_(grey).add_(shift).clamp_(0, 1)


def _theta(change: Change, width: int, height: int) -> list[list[float]]:
    """Affine map from the result's normalised coordinates to the source's, as `affine_grid` takes it."""
    left, top, right, bottom = change.window_xyxy
    scale_x = -(right - left) / width if change.flip else (right - left) / width
    scale_y = (bottom - top) / height
    cosine, sine = math.cos(math.radians(change.degrees)), math.sin(math.radians(change.degrees))
    return [
        [cosine * scale_x, -sine * scale_y * height / width, (left + right) / width - 1],
        [sine * scale_x * width / height, cosine * scale_y, (top + bottom) / height - 1],
    ]
