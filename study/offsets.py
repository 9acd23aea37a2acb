"""Offsets of boxes to anchors, what regression predicts."""

import numpy as np
import torch
from torch import Tensor

OFFSET_SCALE = (0.1, 0.1, 0.2, 0.2)
"""Offsets (x, y, width, height) are divided by these, so that their targets have a spread near 1."""


def encode(boxes_xyxy: Tensor, anchors: Tensor) -> Tensor:
    """Offsets of boxes to anchors (the LWF paper, eq. 5, divided by `OFFSET_SCALE`); shapes [..., A, 4] and [A, 4]."""
    anchor_sizes = anchors[..., 2:] - anchors[..., :2]
    sizes = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=1)
    centres = (boxes_xyxy[..., 2:] + boxes_xyxy[..., :2]) / 2
    shifts = (centres - (anchors[..., 2:] + anchors[..., :2]) / 2) / anchor_sizes
    return torch.cat([shifts, (sizes / anchor_sizes).log()], dim=-1) / boxes_xyxy.new_tensor(OFFSET_SCALE)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Boxes xyxy of offsets, the inverse of `encode`; a box grows to at most 16 times its anchor's side."""
    scaled = offsets * offsets.new_tensor(OFFSET_SCALE)
    anchor_sizes = anchors[..., 2:] - anchors[..., :2]
    centres = (anchors[..., 2:] + anchors[..., :2]) / 2 + scaled[..., :2] * anchor_sizes
    half = scaled[..., 2:].clamp(-np.log(16), np.log(16)).exp() * anchor_sizes / 2
    return torch.cat([centres - half, centres + half], dim=-1)
