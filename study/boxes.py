"""Geometry of boxes in NumPy; tensors use `torchvision.ops`."""

import numpy as np

_EPSILON = np.finfo(float).eps


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes_xyxy [N, 4] and [M, 4], shape [N, M]; 0 where a box has no area."""
    lower = np.maximum(first[:, None, :2], second[None, :, :2])
    upper = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.maximum(upper - lower, 0).prod(axis=2)
    area_first, area_second = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second))
    union = area_first[:, None] + area_second[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > _EPSILON)
