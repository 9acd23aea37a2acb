"""Tracks a sequence with a network: frames in one at a time, tracks in pixels of the original images out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from study.motfile import Tracks
from study.tracker import FrameTracks, Tracker


@dataclass(frozen=True)
class Candidates:
    """All detections of a clip before association; as `Tracks`, without identities."""

    frames: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray


class Session:
    """One sequence while it is tracked.

    Args:
        tracker: in evaluation mode.
        original_size: width, height in pixels that the boxes are scaled to.
        device: of the network.
    """

    def __init__(self, tracker: Tracker, original_size: tuple[int, int], device: torch.device) -> None:
        self._online = tracker.online()
        self._original_size = original_size
        self._device = device

    def update(self, frame: np.ndarray) -> FrameTracks:
        """Take the next frame, uint8 [H, W, 3] RGB at the network's size; boxes come in pixels of the original."""
        found = self._online.update(torch.from_numpy(np.array(frame)).permute(2, 0, 1).to(self._device))
        scale = np.array(
            [a / b for a, b in zip(self._original_size, (frame.shape[1], frame.shape[0]), strict=True)] * 2
        )
        return replace(
            found,
            boxes_xyxy=found.boxes_xyxy * scale,
            candidate_boxes_xyxy=found.candidate_boxes_xyxy * scale,
        )


def track_frames(
    tracker: Tracker, frames: Iterable[np.ndarray], original_size: tuple[int, int], device: torch.device
) -> tuple[Tracks, Candidates]:
    """Track a whole sequence online; arguments as of `Session` and its `update`."""
    session = Session(tracker, original_size, device)
    found = [session.update(frame) for frame in frames]
    candidates = Candidates(
        frames=_numbers([len(f.candidate_scores) for f in found]),
        boxes_xyxy=_joined([f.candidate_boxes_xyxy for f in found], np.zeros((0, 4))),
        scores=_joined([f.candidate_scores for f in found], np.zeros(0)),
    )
    return join_frames(found), candidates


def join_frames(found: Sequence[FrameTracks]) -> Tracks:
    """Tracks of a sequence from those of its frames, in order; frames are numbered from 1."""
    frames = _numbers([len(f.ids) for f in found])
    ids = _joined([f.ids for f in found], np.zeros(0, dtype=np.int64))
    boxes_xyxy = _joined([f.boxes_xyxy for f in found], np.zeros((0, 4)))
    scores = _joined([f.scores for f in found], np.zeros(0))
    order = np.lexsort((ids, frames))
    return Tracks(frames[order], ids[order], boxes_xyxy[order], scores[order])


def _numbers(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(1, len(counts) + 1), counts)


def _joined(parts: list[np.ndarray], empty: np.ndarray) -> np.ndarray:
    return np.concatenate([empty, *parts])
