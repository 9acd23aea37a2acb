"""Anchors, one shape a level: shapes from data, the grid, matching to boxes."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from study.batch import FrameTargets
from study.offsets import decode, encode

PAPER_RATIO = 2.9
PAPER_SIZES = {3: 38.0, 4: 86.0, 5: 112.0, 6: 156.0, 7: 328.0}


class Statistics(Protocol):
    """Widths and heights of the training boxes, float64 [N], pixels of the network's input."""

    widths: np.ndarray
    heights: np.ndarray


def paper_shapes(levels: Sequence[int]) -> list[tuple[float, float]]:
    """(width, height) a level of the chained tracker's published constants: ratio h / w 2.9, size = sqrt(w h)."""
    return [(PAPER_SIZES[level] / PAPER_RATIO**0.5, PAPER_SIZES[level] * PAPER_RATIO**0.5) for level in levels]


def shapes_from_data(statistics: Statistics, count: int) -> list[tuple[float, float]]:
    """(width, height) a level, fine to coarse: medians of equally many boxes, sorted by area."""
    order = np.argsort(statistics.widths * statistics.heights, kind="stable")
    groups = np.array_split(order, count)
    return [(float(np.median(statistics.widths[g])), float(np.median(statistics.heights[g]))) for g in groups]


def grid(shapes: Tensor, strides: Sequence[int], sizes: Sequence[tuple[int, int]]) -> Tensor:
    """Anchors of all levels, xyxy [A, 4], centred at (i + 0.5) stride.

    Args:
        shapes: (width, height) a level, [levels, 2].
        strides: pixels a cell, a level.
        sizes: (rows, columns) of every level's feature map.
    """
    boxes = []
    for shape, stride, (rows, columns) in zip(shapes, strides, sizes, strict=True):
        y = (torch.arange(rows, device=shapes.device) + 0.5) * stride
        x = (torch.arange(columns, device=shapes.device) + 0.5) * stride
        centres = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).reshape(-1, 2)
        boxes.append(torch.cat([centres - shape / 2, centres + shape / 2], dim=1))
    return torch.cat(boxes)


def match(anchors: Tensor, targets: FrameTargets) -> tuple[Tensor, Tensor]:
    """Best box of every anchor, every box's best anchor forced to it.

    Args:
        anchors: [A, 4].
        targets: boxes of B frames, padded to N >= 1.

    Returns:
        IoU with the matched box (2 where forced, 0 without boxes) and its index in N, both [B, A].
    """
    batch, count = targets.ids.shape
    overlaps = box_iou(targets.boxes_xyxy.reshape(-1, 4), anchors).reshape(batch, count, -1)
    overlaps = overlaps.masked_fill((targets.ids == 0)[:, :, None], 0)
    best_overlap, best_box = overlaps.max(dim=1)
    # Two boxes that share a best anchor leave it to the later one. Padding overlaps nothing.
    largest, best_anchor = overlaps.max(dim=2)
    order = torch.arange(count, device=anchors.device).where(largest > 0, -1)
    forced = torch.full_like(best_box, -1).scatter_reduce(1, best_anchor, order, "amax")
    return best_overlap.masked_fill(forced >= 0, 2), best_box.where(forced < 0, forced)


def add_boxes(predictions: dict[str, Tensor], targets: dict[str, Tensor], image_size: Tensor) -> None:
    """Add what task losses on boxes compare: a slot for each anchor with an object, holding its boxes in both frames.

    Args:
        predictions: `reg` and `anchors`; `boxes` [B, 2, P, 4] is added.
        targets: as `assign` gives them; `boxes`, `present` [B, 2, P] and `image_size` are added.
        image_size: width and height, [2].
    """
    positive = targets["cls"] == 1
    count = max(1, int(positive.sum(dim=1).max()))
    order = (~positive).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]

    def pick(values: Tensor) -> Tensor:
        """Of each slot, first frame and second: [B, 2, P, 4]."""
        return values.gather(1, order[:, :, None].expand(-1, -1, 8)).unflatten(-1, (2, 4)).transpose(1, 2)

    places = predictions["anchors"][order][:, None]
    predictions["boxes"] = decode(pick(predictions["reg"]), places)
    targets["boxes"] = decode(pick(targets["reg"]), places)
    targets["present"] = pick(targets["reg_mask"])[..., 0]
    targets["image_size"] = image_size


def assign(
    anchors: Tensor, first: FrameTargets, second: FrameTargets, match_iou: tuple[float, float] = (0.4, 0.5)
) -> dict[str, Tensor]:
    """Targets of the three towers; keys and shapes as in `study.losses.TaskLoss`.

    Classification: positive from the upper IoU on, negative below the lower one, ignored between. ID verification:
    positive where both frames' boxes match the anchor and are one identity, ignored where that is undecided.
    """
    low, high = match_iou
    overlap, box = match(anchors, first)
    overlap_second, box_second = match(anchors, second)
    cls = torch.full_like(box, -1)
    cls[overlap < low] = 0
    cls[overlap >= high] = 1

    ids = first.ids.gather(1, box)
    same = (ids == second.ids.gather(1, box_second)) & (ids != 0)
    near, near_second = overlap >= low, overlap_second >= low
    decided = near & near_second & ((overlap >= high) | (overlap_second >= high))
    reid = torch.full_like(box, -1)
    reid[~near | ~near_second] = 0
    reid[decided] = same[decided].long()

    # The identity's box in the second frame, wherever it went.
    agree = first.ids[:, :, None] == second.ids[:, None, :]
    present = agree.any(dim=2) & (first.ids != 0)
    partner = second.boxes_xyxy.gather(1, agree.to(torch.uint8).argmax(dim=2)[:, :, None].expand(-1, -1, 4))
    index = box[:, :, None].expand(-1, -1, 4)
    offsets = torch.cat([encode(boxes.gather(1, index), anchors) for boxes in (first.boxes_xyxy, partner)], dim=-1)
    positive = cls == 1
    second_counts = positive & present.gather(1, box)
    mask = torch.stack([positive, second_counts], dim=-1).repeat_interleave(4, dim=-1)
    return {"cls": cls, "reid": reid, "reg": offsets.masked_fill(~mask, 0), "reg_mask": mask}
