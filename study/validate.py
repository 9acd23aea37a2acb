"""Figures of a split: tracks every clip and scores it; checks detection and ID verification beside."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from study.data import Clip
from study.data.cache import FrameCache
from study.data.samples import Samples
from study.evaluation import combine, evaluate_sequence, summarize
from study.evaluation.detection import DetectionCounts, average_precision, match_detections
from study.tracker import Tracker
from study.tracking import track_frames

SAMPLE_STRIDE = 4
"""Losses and ID verification of a validation are computed on every fourth frame."""


def score_split(
    tracker: Tracker, clips: Sequence[Clip], cache: FrameCache, samples: Samples, batch_size: int, device: torch.device
) -> tuple[dict[str, float], list[dict[str, Any]], dict[str, float | None]]:
    """Track and score a split. With several workers each takes every W-th clip, and all get the pooled figures.

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
    for index in range(rank, len(clips), world):
        clip = clips[index]
        tracks, candidates = track_frames(tracker, cache.frames(clip), clip.sequence.image_size, device)
        detections = match_detections(clip.ground_truth, candidates.frames, candidates.boxes_xyxy, candidates.scores)
        mine[clip.name] = (evaluate_sequence(clip.ground_truth, tracks), detections)
    results = dict(mine)
    if world > 1:
        gathered: list[dict[str, Any]] = [{} for _ in range(world)]
        dist.all_gather_object(gathered, mine)
        results = {name: result for part in gathered for name, result in part.items()}
    results = {clip.name: results[clip.name] for clip in clips}  # one order of pooling for any number of workers
    rows = [
        {"sequence": clip.name, "num_frames": clip.num_frames, **summarize(results[clip.name][0])} for clip in clips
    ]
    metrics = summarize(combine({name: counts for name, (counts, _) in results.items()}))
    metrics["ap"] = average_precision(DetectionCounts.pooled([detections for _, detections in results.values()]))
    losses, checks = _losses(tracker, samples, batch_size, device)
    return metrics | checks, rows, losses


@torch.no_grad()
def _losses(
    tracker: Tracker, samples: Samples, batch_size: int, device: torch.device
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Mean losses and share of right answers, on every worker the same."""
    frames = range(0, len(samples), SAMPLE_STRIDE)
    sums: dict[str, float] = {}
    judged: dict[str, int] = {}
    right: dict[str, int] = {}
    asked: dict[str, int] = {}
    for start in range(0, len(frames), batch_size):
        batch = samples.plain_batch(frames[start : start + batch_size], device)
        output = tracker(batch)
        for name, loss in output.losses.items():
            known = not loss.isnan()
            sums[name] = sums.get(name, 0.0) + (float(loss) * len(batch) if known else 0.0)
            judged[name] = judged.get(name, 0) + known * len(batch)
        for name, (yes, count) in output.counts.items():
            right[name], asked[name] = right.get(name, 0) + int(yes), asked.get(name, 0) + int(count)
    losses = {name: total / judged[name] if judged[name] else None for name, total in sums.items()}
    return losses, {f"{name}_accuracy": right[name] / max(1, asked[name]) for name in right}
