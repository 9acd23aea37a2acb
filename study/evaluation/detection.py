"""Average precision of detections at IoU .5: explains a MOTA, is no part of the MOTChallenge tracking protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.boxes import box_iou
from study.motfile import GroundTruth

MIN_IOU = 0.5


@dataclass(frozen=True)
class DetectionCounts:
    """Scored detections of one or more sequences.

    Attributes:
        scores: float64 [N].
        hits: bool [N]; the detection was the best free one of an object.
        num_objects: boxes to find.
    """

    scores: np.ndarray
    hits: np.ndarray
    num_objects: int

    @classmethod
    def pooled(cls, parts: "Sequence[DetectionCounts]") -> "DetectionCounts":
        """Detections of several sequences together."""
        return cls(
            np.concatenate([np.zeros(0), *(part.scores for part in parts)]),
            np.concatenate([np.zeros(0, dtype=bool), *(part.hits for part in parts)]),
            sum(part.num_objects for part in parts),
        )


def match_detections(
    ground_truth: GroundTruth, frames: np.ndarray, boxes_xyxy: np.ndarray, scores: np.ndarray
) -> DetectionCounts:
    """Match detections to objects, best score first, each object once (Everingham et al. 2010, section 4.2).

    Detections on rows that are not evaluated (flag 0, other classes) count neither way.

    Args:
        ground_truth: of the sequence.
        frames: int64 [N], 1-based.
        boxes_xyxy: float64 [N, 4].
        scores: float64 [N].
    """
    kept_scores, hits = [], []
    evaluated = ground_truth.evaluated
    for frame in np.unique(frames):
        mine = np.flatnonzero(frames == frame)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        rows = np.flatnonzero(ground_truth.frames == frame)
        overlaps = box_iou(boxes_xyxy[mine], ground_truth.boxes_xyxy[rows])
        free = np.ones(len(rows), dtype=bool)
        for detection, overlap in zip(mine, overlaps, strict=True):
            wanted = np.where(free & evaluated[rows], overlap, 0)
            hit = bool(wanted.size and wanted.max() >= MIN_IOU)
            if hit:
                free[wanted.argmax()] = False
            elif (overlap[~evaluated[rows]] >= MIN_IOU).any():
                continue
            kept_scores.append(scores[detection])
            hits.append(hit)
    return DetectionCounts(np.array(kept_scores, dtype=float), np.array(hits, dtype=bool), int(evaluated.sum()))


def average_precision(counts: DetectionCounts) -> float:
    """Area under the precision-recall curve with precision made monotone (all points); 0 without objects."""
    if counts.num_objects == 0 or not len(counts.scores):
        return 0.0
    hits = counts.hits[np.argsort(-counts.scores, kind="stable")]
    true_positives = np.cumsum(hits)
    precision = true_positives / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * hits).sum() / counts.num_objects)
