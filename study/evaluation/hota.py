"""HOTA (Luiten et al. 2021), counted by TrackEval."""

from dataclasses import dataclass

import numpy as np
from trackeval.metrics import HOTA

from study.evaluation.preprocessing import Overlaps


@dataclass(frozen=True)
class HotaCounts:
    """Counts that HOTA is made of, one for each of 19 overlap thresholds (.05, .10, ..., .95); sums are counts again.

    Attributes:
        true_positives: float64 [19], matched boxes.
        false_positives: float64 [19], boxes of the result without a match.
        false_negatives: float64 [19], boxes of the ground truth without a match.
        association_sum: float64 [19], sum over the matched boxes of the association accuracy of their object and track.
    """

    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    association_sum: np.ndarray

    @property
    def detection_accuracy(self) -> np.ndarray:
        """DetA at each threshold, float64 [19]; 0 where there are no boxes at all."""
        boxes = self.true_positives + self.false_positives + self.false_negatives
        return self.true_positives / np.maximum(1, boxes)

    @property
    def association_accuracy(self) -> np.ndarray:
        """AssA at each threshold, float64 [19]; 0 where nothing matches."""
        return self.association_sum / np.maximum(1, self.true_positives)

    @property
    def hota(self) -> np.ndarray:
        """HOTA at each threshold, float64 [19]."""
        return np.sqrt(self.detection_accuracy * self.association_accuracy)


def count_hota(overlaps: Overlaps) -> HotaCounts:
    """Match one sequence at every threshold, and count."""
    result = HOTA().eval_sequence(
        {
            "num_gt_dets": overlaps.num_object_boxes,
            "num_tracker_dets": overlaps.num_track_boxes,
            "num_gt_ids": overlaps.num_objects,
            "num_tracker_ids": overlaps.num_tracks,
            "gt_ids": overlaps.objects,
            "tracker_ids": overlaps.tracks,
            "similarity_scores": overlaps.ious,
        }
    )
    return HotaCounts(
        true_positives=result["HOTA_TP"],
        false_positives=result["HOTA_FP"],
        false_negatives=result["HOTA_FN"],
        association_sum=result["AssA"] * result["HOTA_TP"],
    )
