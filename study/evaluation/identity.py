"""ID metrics (Ristani et al. 2016): the best one-to-one assignment of tracks to objects over the whole sequence.

The published formulation, which motmetrics and TrackEval follow, is a minimum-cost matching with a dummy for every
object and track. Its cost is constant minus twice the assigned common boxes, so a matching of the largest number of
common boxes gives the same counts without the (objects + tracks)^2 matrix.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from study.evaluation.preprocessing import IOU_THRESHOLD, Overlaps


@dataclass(frozen=True)
class IdentityCounts:
    """Boxes that agree with the assignment, and the others of the result and of the ground truth."""

    true_positives: int
    false_positives: int
    false_negatives: int


def count_identity(overlaps: Overlaps) -> IdentityCounts:
    """Assign tracks to objects over one sequence, and count."""
    common_boxes = np.zeros((overlaps.num_objects, overlaps.num_tracks), dtype=np.int64)
    for objects, tracks, iou in overlaps:
        rows, columns = np.nonzero(iou >= IOU_THRESHOLD)
        common_boxes[objects[rows], tracks[columns]] += 1
    true_positives = int(common_boxes[linear_sum_assignment(common_boxes, maximize=True)].sum())
    return IdentityCounts(
        true_positives=true_positives,
        false_positives=overlaps.num_track_boxes - true_positives,
        false_negatives=overlaps.num_object_boxes - true_positives,
    )
