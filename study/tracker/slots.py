"""Ground truth of several frames side by side: a slot is one identity, wherever it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from study.batch import FrameTargets


@dataclass(frozen=True)
class Slots:
    """Objects of F frames, B images each, aligned by identity and padded to N slots.

    Attributes:
        boxes_xyxy: float32 [B, F, N, 4], pixels; a unit box where the object is not.
        present: bool [B, F, N], whether the object of the slot is in the frame.
        ids: int64 [B, N], 0 for padding.
    """

    boxes_xyxy: Tensor
    present: Tensor
    ids: Tensor


def align(frames: Sequence[FrameTargets]) -> Slots:
    """Put the objects of consecutive frames side by side.

    Args:
        frames: ground truth of the F frames; an identity is in a frame at most once.

    Returns:
        Slots in the order of first appearance, with at least one, which is padding if there are no objects.
    """
    everyone = torch.cat([frame.ids for frame in frames], dim=1)  # [B, S]
    before = torch.ones(everyone.shape[1], everyone.shape[1], dtype=torch.bool, device=everyone.device).tril(-1)
    repeated = ((everyone[:, :, None] == everyone[:, None, :]) & before).any(dim=2)
    new = (everyone != 0) & ~repeated
    order = (~new).to(torch.uint8).argsort(dim=1, stable=True)
    count = max(1, int(new.sum(dim=1).max()))
    ids = everyone.where(new, 0).gather(1, order)[:, :count]
    boxes, present = [], []
    for frame in frames:
        agree = (ids[:, :, None] == frame.ids[:, None, :]) & (ids != 0)[:, :, None]
        here = agree.any(dim=2)
        place = agree.to(torch.uint8).argmax(dim=2)
        found = frame.boxes_xyxy.gather(1, place[:, :, None].expand(-1, -1, 4))
        boxes.append(found.where(here[:, :, None], found.new_tensor([0.0, 0, 1, 1])))
        present.append(here)
    return Slots(torch.stack(boxes, dim=1), torch.stack(present, dim=1), ids)
