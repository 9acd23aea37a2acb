"""Figures of a split: tracks every clip and scores it; checks detection and ID verification beside."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from study.data import Clip
from study.data.cache import FrameCache
from study.data.samples import Samples
from study.evaluation import combine, evaluate_sequence, summarize
from study.evaluation.detection import DetectionCounts, average_precision, match_detections
from study.tracker import Tracker
from study.tracking import track_frames

K = TypeVar("K")
V = TypeVar("V")

SAMPLE_STRIDE = 4
"""Losses and ID verification of a validation are computed on every fourth frame."""


def score_split(
    tracker: Tracker, clips: Sequence[Clip], cache: FrameCache, samples: Samples, batch_size: int, device: torch.device
) -> tuple[dict[str, float], list[dict[str, Any]], dict[str, float | None]]:
    """Track and score a split. Several workers divide the clips, and the batches; all get the figures of the whole.

    Args:
        tracker: in evaluation mode.
        clips: the split.
        cache: decoded frames of the clips.
        samples: what is learnt from the split, for losses and ID verification.
        batch_size: samples at a time.
        device: of the network.

    Returns:
        Metrics of the pooled counts (with `ap` and `id_accuracy`), one row a sequence, mean unweighted losses (None for
        one that has nothing to judge there, as identities that training has not seen).
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    mine = {}
    for clip in _shares(clips, world)[rank]:
        tracks, candidates = track_frames(tracker, cache.frames(clip), clip.sequence.image_size, device)
        detections = match_detections(clip.ground_truth, candidates.frames, candidates.boxes_xyxy, candidates.scores)
        mine[clip.name] = (evaluate_sequence(clip.ground_truth, tracks), detections)
    results = _gathered(mine, [clip.name for clip in clips], world)
    rows = [
        {"sequence": clip.name, "num_frames": clip.num_frames, **summarize(results[clip.name][0])} for clip in clips
    ]
    metrics = summarize(combine({name: counts for name, (counts, _) in results.items()}))
    metrics["ap"] = average_precision(DetectionCounts.pooled([detections for _, detections in results.values()]))
    losses, checks = _losses(tracker, samples, batch_size, device, rank, world)
    return metrics | checks, rows, losses


def _shares(clips: Sequence[Clip], world: int) -> list[list[Clip]]:
    """The clips of each worker: the longest first, each to the one with the fewest frames so far."""
    shares: list[list[Clip]] = [[] for _ in range(world)]
    for clip in sorted(clips, key=lambda clip: -clip.num_frames):
        min(shares, key=lambda share: sum(other.num_frames for other in share)).append(clip)
    return shares


def _gathered(mine: Mapping[K, V], order: Iterable[K], world: int) -> dict[K, V]:
    """What all workers found, in one order for any number of them: sums over it are equal to the last bit."""
    parts: list[Mapping[K, V]] = [mine]
    if world > 1:
        parts = [{}] * world
        dist.all_gather_object(parts, mine)
    found = {key: value for part in parts for key, value in part.items()}
    return {key: found[key] for key in order}


@dataclass(frozen=True)
class _Judged:
    """What a batch is judged by: its samples, unweighted task losses, and right answers of how many."""

    samples: int
    losses: dict[str, float]
    counts: dict[str, tuple[int, int]]


@torch.no_grad()
def _losses(
    tracker: Tracker, samples: Samples, batch_size: int, device: torch.device, rank: int, world: int
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Mean losses and share of right answers, on every worker the same."""
    frames = range(0, len(samples), SAMPLE_STRIDE)
    starts = range(0, len(frames), batch_size)
    mine = {}
    for start in starts[rank::world]:
        batch = samples.plain_batch(frames[start : start + batch_size]).on(device)
        output = tracker(batch)
        losses = {name: float(loss) for name, loss in output.losses.items()}
        counts = {name: (int(yes), int(count)) for name, (yes, count) in output.counts.items()}
        mine[start] = _Judged(len(batch), losses, counts)
    sums: dict[str, float] = {}
    judged: dict[str, int] = {}
    right: dict[str, int] = {}
    asked: dict[str, int] = {}
    for batch_judged in _gathered(mine, starts, world).values():
        for name, loss in batch_judged.losses.items():
            known = not math.isnan(loss)
            sums[name] = sums.get(name, 0.0) + (loss * batch_judged.samples if known else 0.0)
            judged[name] = judged.get(name, 0) + known * batch_judged.samples
        for name, (yes, count) in batch_judged.counts.items():
            right[name], asked[name] = right.get(name, 0) + yes, asked.get(name, 0) + count
    losses_of_all = {name: total / judged[name] if judged[name] else None for name, total in sums.items()}
    return losses_of_all, {f"{name}_accuracy": right[name] / max(1, asked[name]) for name in right}
