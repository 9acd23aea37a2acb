"""Tracks a clip with a network: frames in, tracks in pixels of the original images out."""

from collections.abc import Iterable
from dataclasses import dataclass

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


def track_frames(
    tracker: Tracker, frames: Iterable[np.ndarray], original_size: tuple[int, int], device: torch.device
) -> tuple[Tracks, Candidates]:
    """Track one sequence online.

    Args:
        tracker: in evaluation mode.
        frames: uint8 [H, W, 3] RGB at the network's size, in order.
        original_size: width, height in pixels that the boxes are scaled to.
        device: of the network.
    """
    online = tracker.online()
    results: list[FrameTracks] = []
    size = (0, 0)
    for frame in frames:
        size = (frame.shape[1], frame.shape[0])
        results.append(online.update(torch.from_numpy(np.array(frame)).permute(2, 0, 1).to(device)))
    scale = np.array([original / max(1, network) for original, network in zip(original_size, size, strict=True)] * 2)
    tracks = Tracks(
        frames=_numbers([len(r.ids) for r in results]),
        ids=_joined([r.ids for r in results], np.zeros(0, dtype=np.int64)),
        boxes_xyxy=_joined([r.boxes_xyxy for r in results], np.zeros((0, 4))) * scale,
        scores=_joined([r.scores for r in results], np.zeros(0)),
    )
    order = np.lexsort((tracks.ids, tracks.frames))
    tracks = Tracks(tracks.frames[order], tracks.ids[order], tracks.boxes_xyxy[order], tracks.scores[order])
    candidates = Candidates(
        frames=_numbers([len(r.candidate_scores) for r in results]),
        boxes_xyxy=_joined([r.candidate_boxes_xyxy for r in results], np.zeros((0, 4))) * scale,
        scores=_joined([r.candidate_scores for r in results], np.zeros(0)),
    )
    return tracks, candidates


def _numbers(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(1, len(counts) + 1), counts)


def _joined(parts: list[np.ndarray], empty: np.ndarray) -> np.ndarray:
    return np.concatenate([empty, *parts])
