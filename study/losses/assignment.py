"""Who is who, softly: distances of boxes, an assignment with gradients, and soft counts of mistakes.

Xu et al. 2020, "How To Train Your Deep Multi-Object Tracker" (DeepMOT), with the formulas of its public code.
Deviation: the assignment is a Sinkhorn iteration with dustbins by default, which has nothing to train and agrees with
the gated Hungarian assignment on nearly all real frames; the paper's network is `study.losses.hungarian_network`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from study.losses.iou import overlap

GATE = 0.5
"""Distance from which two boxes are no match."""

_NEVER = -1e4
"""Logarithm of the weight of a pair that cannot be: 0 for an exponential, and small enough to add to others exactly."""

_SHARPNESS = 100.0
"""Factor in the softmax over a network's assignment and the threshold."""


def distances(first: Tensor, second: Tensor, diagonal: Tensor) -> Tensor:
    """Half of what boxes lack in overlap and half of how far their centres are apart, 0 to 1.

    D = (1 - exp(-5 d / diagonal) + 1 - IoU) / 2, d between centres.

    Args:
        first: boxes xyxy [..., K, 4].
        second: boxes xyxy [..., N, 4].
        diagonal: of the image, in pixels.

    Returns:
        [..., K, N].
    """
    one, other = first[..., :, None, :], second[..., None, :, :]
    apart = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2
    length = (apart**2).sum(-1).clamp(min=1e-12).sqrt()
    return (1 - torch.exp(-5 * length / diagonal) + 1 - overlap(one, other)) / 2


TEMPERATURE = 0.02
"""Of a Sinkhorn plan, in distance: so low that it agrees with the hard assignment on nearly all real frames."""


def sinkhorn(
    distance: Tensor, rows: Tensor, columns: Tensor, *, temperature: float = TEMPERATURE, steps: int = 50
) -> Tensor:
    """Soft assignment of rows to columns, each to at most one, with a dustbin for what has no match.

    Entropic optimal transport (Cuturi 2013) as SuperGlue lays it out (Sarlin et al. 2020, section 3.2): every row and
    column has a mass of 1, each dustbin room for all of the other side. A match costs its distance and two dustbins
    `GATE`, so that with a falling temperature this is the assignment of least cost without pairs beyond the gate.

    Args:
        distance: [..., K, N].
        rows: bool [..., K], those that there are.
        columns: bool [..., N].
        temperature: of the softmax, in distance.
        steps: alternations between rows and columns.

    Returns:
        [..., K, N], 0 to 1; 0 where a row or column is not there.
    """
    both = rows[..., :, None] & columns[..., None, :]
    costs = torch.nn.functional.pad((-distance / temperature).masked_fill(~both, -torch.inf), (0, 1, 0, 1))
    bin_cost = -GATE / 2 / temperature
    costs[..., :-1, -1] = torch.where(rows, bin_cost, -torch.inf)
    costs[..., -1, :-1] = torch.where(columns, bin_cost, -torch.inf)
    costs[..., -1, -1] = 0.0
    mass_rows = torch.cat([rows.to(distance), columns.sum(-1, keepdim=True).to(distance)], dim=-1)
    mass_columns = torch.cat([columns.to(distance), rows.sum(-1, keepdim=True).to(distance)], dim=-1)
    log_rows, log_columns = (mass.clamp(min=1e-30).log() for mass in (mass_rows, mass_columns))
    u, v = torch.zeros_like(log_rows), torch.zeros_like(log_columns)
    costs = costs.clamp(min=_NEVER)  # a row of nothing but -inf would have no logarithm
    for _ in range(steps):
        u = log_rows - torch.logsumexp(costs + v[..., None, :], dim=-1)
        v = log_columns - torch.logsumexp(costs + u[..., :, None], dim=-2)
    plan = torch.exp(costs + u[..., :, None] + v[..., None, :])[..., :-1, :-1]
    return plan.masked_fill(~both, 0.0)


@dataclass(frozen=True)
class Counts:
    """Soft counts of one frame, each [B].

    Attributes:
        false_positives: of tracks without an object.
        misses: of objects without a track.
        by_column: [B, K, N], how much each object is each track's.
        matched: bool [B, K, N], the hard matches.
    """

    false_positives: Tensor
    misses: Tensor
    by_column: Tensor
    matched: Tensor


def count(assignment: Tensor, tracks: Tensor, objects: Tensor) -> Counts:
    """Soft false positives and misses of a plan with dustbins: what of each track, and each object, goes there.

    Args:
        assignment: [B, K, N], 0 to 1; rows and columns sum to 1 at most, as those of `sinkhorn` do.
        tracks: bool [B, K].
        objects: bool [B, N].
    """
    free_tracks = (1 - assignment.sum(-1)) * tracks
    free_objects = (1 - assignment.sum(-2)) * objects
    return Counts(free_tracks.sum(-1), free_objects.sum(-1), assignment, assignment > 0.5)


def count_by_softmax(assignment: Tensor, tracks: Tensor, objects: Tensor) -> Counts:
    """Soft false positives and misses as published: a softmax of each row, and each column, with a threshold of a half.

    Xu et al. 2020, section 4.2. For an assignment without dustbins, such as the deep Hungarian network's. On a plan of
    `sinkhorn` it would be a second, sharper softmax, whose gradient is a spike at the gate and nothing beside it.

    Args:
        assignment: [B, K, N], 0 to 1.
        tracks: bool [B, K].
        objects: bool [B, N].
    """
    threshold_row = torch.full_like(assignment[..., :1], 0.5)
    threshold_column = torch.full_like(assignment[..., :1, :], 0.5)
    blocked = ~(tracks[..., :, None] & objects[..., None, :])
    scores = (_SHARPNESS * assignment).masked_fill(blocked, -torch.inf)
    by_row = torch.cat([scores, _SHARPNESS * threshold_row], dim=-1).softmax(-1)
    by_column = torch.cat([scores, _SHARPNESS * threshold_column], dim=-2).softmax(-2)
    matched = (by_column[..., :-1, :] > 0.5) & (by_row[..., :-1] > 0.5)
    return Counts(
        (by_row[..., -1] * tracks).sum(-1),
        (by_column[..., -1, :] * objects).sum(-1),
        by_column[..., :-1, :] * objects[..., None, :],
        matched,
    )


def switches(counts: list[Counts], *, as_published: bool = False) -> Tensor:
    """Soft identity switches over consecutive frames, [B].

    Each object's column is held against the track of its last match, whenever that was; an object that was never
    matched switches nothing, so that in the limit the sum is the hard count. As published only the frame before counts,
    and every new or reappearing object is a switch.

    Args:
        counts: of the frames in order; columns are the same objects, rows the same tracks in all of them.
        as_published: that form.
    """
    total = torch.zeros_like(counts[0].misses)
    last = counts[0].matched
    for now in counts[1:]:
        other = (now.by_column * ~last).sum(1)
        known = torch.ones_like(other, dtype=torch.bool) if as_published else last.any(1)
        total = total + (other * known).sum(-1)
        found = now.matched.any(1, keepdim=True)
        last = now.matched if as_published else torch.where(found, now.matched, last)
    return total
