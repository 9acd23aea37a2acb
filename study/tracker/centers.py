"""Objects as points of a map: where their centres are, how a heat map shows them, boxes from points."""

import torch
from torch import Tensor

_OVERLAP = 0.7
"""A box that is moved by the Gaussian's radius still overlaps the object by so much."""


def cells(boxes_xyxy: Tensor, stride: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Cells that hold the boxes' centres; one outside the map has the nearest cell.

    Args:
        boxes_xyxy: [..., 4], pixels.
        stride: pixels a cell.
        rows: of the map.
        columns: of the map.

    Returns:
        int64 [..., 2] (column, row) of the cells, and centres [..., 2] in cells, wherever they are.
    """
    centres = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / (2 * stride)
    place = centres.floor().long()
    return torch.minimum(place.clamp(min=0), place.new_tensor([columns - 1, rows - 1])), centres


def heatmaps(boxes_xyxy: Tensor, present: Tensor, stride: int, rows: int, columns: int) -> Tensor:
    """Target heat maps: 1 at the cell of an object's centre, a Gaussian around it, the largest where several meet.

    Law and Deng 2018 ("CornerNet", section 3.2) as CenterNet and FairMOT use it: the radius is such that a box moved by
    it overlaps the object's by 0.7, the standard deviation a third of it, and beyond it the map is 0.

    Args:
        boxes_xyxy: [M, N, 4], pixels.
        present: bool [M, N].
        stride: pixels a cell.
        rows: of the maps.
        columns: of the maps.

    Returns:
        [M, rows, columns], 0 to 1.
    """
    place, _ = cells(boxes_xyxy, stride, rows, columns)
    reach = radius((boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]) / stride)
    spread = (2 * reach + 1) / 6
    x = torch.arange(columns, device=place.device) - place[..., 0, None]  # [M, N, columns]
    y = torch.arange(rows, device=place.device) - place[..., 1, None]
    scale = (2 * spread**2)[..., None]
    near_x, near_y = (line.abs() <= reach[..., None] for line in (x, y))
    # A product of two lines: the Gaussian and the square that ends it are separable.
    across = torch.exp(-(x**2) / scale) * near_x
    along = torch.exp(-(y**2) / scale) * near_y * present[..., None]
    return (along[..., :, None] * across[..., None, :]).amax(dim=1)


def radius(sizes: Tensor) -> Tensor:
    """Whole radius of a Gaussian for boxes [..., 2] (width, height, in cells); at least 0.

    The least of three: of the moved box one corner may be inside and one outside, both inside, or both outside.
    """
    width, height = sizes.ceil().unbind(-1)
    total, area, overlap = width + height, width * height, _OVERLAP
    moved = (total - (total**2 - 4 * area * (1 - overlap) / (1 + overlap)).clamp(min=0).sqrt()) / 2
    inside = (2 * total - (4 * total**2 - 16 * (1 - overlap) * area).clamp(min=0).sqrt()) / 8
    outside = (-2 * overlap * total + (4 * overlap**2 * total**2 + 16 * overlap * (1 - overlap) * area).sqrt()) / (
        8 * overlap
    )
    return torch.stack([moved, inside, outside]).amin(dim=0).floor().clamp(min=0)


def boxes_at(place: Tensor, offset: Tensor, size: Tensor, stride: int) -> Tensor:
    """Boxes xyxy in pixels [..., 4] of cells (column, row), offsets and sizes in cells, each [..., 2]."""
    centres, half = (place + offset) * stride, size * stride / 2
    return torch.cat([centres - half, centres + half], dim=-1)


def peaks(heat: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest cells that no neighbour exceeds.

    Args:
        heat: [rows, columns], 0 to 1.
        count: at most so many.

    Returns:
        int64 [K, 2] (column, row) and scores [K], best first.
    """
    highest = torch.nn.functional.max_pool2d(heat[None, None], 3, stride=1, padding=1)[0, 0]
    scores, index = (heat * (heat == highest)).flatten().topk(min(count, heat.numel()))
    return torch.stack([index % heat.shape[1], index // heat.shape[1]], dim=1), scores
