"""CLEAR metrics (Bernardin and Stiefelhagen 2008), counted by motmetrics.

motmetrics 1.4 keeps a pair of any earlier frame, and differs from the MOTChallenge kit in three counts. It gets matches
that are already resolved by the kit's rule (TrackEval 1.3.0 `metrics/clear.py`), so that its own matching has no choice
left: it decides what is a match, switch, miss or false positive. Mostly tracked is above 80 % here, not from 80 %. Its
fragmentations count what lies between two matches of one object only if that was a miss; here it may also be a frame
in which the object is not annotated.
"""

from dataclasses import dataclass
from functools import cache

import motmetrics
import numpy as np
import pandas as pd

from study.evaluation.preprocessing import Overlaps, match


@dataclass(frozen=True)
class ClearCounts:
    """Counts that CLEAR metrics are ratios of; sums over sequences are counts again.

    Attributes:
        true_positives: matched boxes.
        false_positives: boxes of the result without a match.
        false_negatives: boxes of the ground truth without a match.
        switches: matches whose object was last matched to another track.
        fragmentations: times that an object was matched, lost, and matched again.
        mostly_tracked: objects matched in more than 80 % of their boxes.
        partially_tracked: objects in between.
        mostly_lost: objects matched in less than 20 %.
        overlap_sum: sum of the intersection over union of the matched boxes.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    switches: int
    fragmentations: int
    mostly_tracked: int
    partially_tracked: int
    mostly_lost: int
    overlap_sum: float


def count_clear(overlaps: Overlaps) -> ClearCounts:
    """Match one sequence frame by frame, and count."""
    accumulator = motmetrics.MOTAccumulator()
    steps = np.zeros(len(overlaps.objects), dtype=np.int64)
    step = 0
    last_step = np.full(overlaps.num_objects, -1)  # track of each object in the last frame with both, -1 for none
    for frame, (objects, tracks, iou) in enumerate(overlaps):
        distances = np.full(iou.shape, np.nan)
        if iou.size:
            rows, columns = match(iou, preferred=last_step[objects][:, None] == tracks)
            distances[rows, columns] = 1 - iou[rows, columns]
            last_step[:] = -1
            last_step[objects[rows]] = tracks[columns]
            step += 1
        steps[frame] = step
        accumulator.update(objects, tracks, distances, frameid=frame)
    names = ["num_detections", "num_false_positives", "num_misses", "num_switches", "track_ratios"]
    counts = _metrics_host().compute(accumulator, metrics=names, return_dataframe=False)
    events = accumulator.mot_events
    matches = events[events.Type.isin(["MATCH", "SWITCH"])]
    ratios = counts["track_ratios"]
    mostly_tracked, tracked = int((ratios > 0.8).sum()), int((ratios >= 0.2).sum())
    return ClearCounts(
        true_positives=int(counts["num_detections"]),
        false_positives=int(counts["num_false_positives"]),
        false_negatives=int(counts["num_misses"]),
        switches=int(counts["num_switches"]),
        fragmentations=_count_fragmentations(matches, steps),
        mostly_tracked=mostly_tracked,
        partially_tracked=tracked - mostly_tracked,
        mostly_lost=overlaps.num_objects - tracked,
        overlap_sum=float((1 - matches["D"]).sum()),
    )


def _count_fragmentations(matches: pd.DataFrame, steps: np.ndarray) -> int:
    """Interruptions of the objects' matches; frames without any ground truth or any result interrupt nothing."""
    objects = matches["OId"].to_numpy()
    matched_steps = steps[matches.index.get_level_values("FrameId").to_numpy(dtype=np.int64)]
    order = np.lexsort((matched_steps, objects))
    return int(((np.diff(objects[order]) == 0) & (np.diff(matched_steps[order]) > 1)).sum())


@cache
def _metrics_host() -> motmetrics.metrics.MetricsHost:
    return motmetrics.metrics.create()
