import numpy as np
import pytest

from study.evaluation.detection import DetectionCounts, average_precision, match_detections
from study.motfile import GroundTruth

BOX = np.array([0.0, 0, 10, 10])


def truth(*rows):
    """From (frame, x, flag, class)."""
    count = len(rows)
    return GroundTruth(
        frames=np.array([r[0] for r in rows]),
        ids=np.arange(1, count + 1),
        boxes_xyxy=np.array([BOX + np.array([r[1], 0, r[1], 0]) for r in rows]),
        flags=np.array([r[2] for r in rows]),
        classes=np.array([r[3] for r in rows]),
        visibility=np.ones(count),
        format="MOT17",
        num_frames=5,
    )


def ap(ground_truth, *detections):
    """From (frame, x, score)."""
    frames = np.array([d[0] for d in detections], dtype=int)
    boxes = np.array([BOX + np.array([d[1], 0, d[1], 0]) for d in detections]).reshape(-1, 4)
    return average_precision(match_detections(ground_truth, frames, boxes, np.array([d[2] for d in detections])))


def test_perfect_and_nothing():
    objects = truth((1, 0, 1, 1), (2, 50, 1, 1))
    assert ap(objects, (1, 0, 0.9), (2, 50, 0.2)) == 1
    assert ap(objects) == 0
    assert average_precision(DetectionCounts.pooled([])) == 0


def test_a_miss_before_a_hit_lowers_precision():
    # Scores .9 hit, .8 miss, .7 hit: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1.
    assert ap(truth((1, 0, 1, 1), (1, 50, 1, 1)), (1, 0, 0.9), (1, 90, 0.8), (1, 50, 0.7)) == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_an_object_is_found_once():
    assert ap(truth((1, 0, 1, 1), (1, 50, 1, 1)), (1, 0, 0.9), (1, 1, 0.8), (1, 50, 0.7)) == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_rows_that_are_not_evaluated_count_neither_way():
    objects = truth((1, 0, 1, 1), (1, 50, 0, 1), (1, 80, 1, 8))
    assert ap(objects, (1, 50, 0.9), (1, 80, 0.8), (1, 0, 0.7)) == 1
    assert ap(objects, (1, 120, 0.9), (1, 0, 0.7)) == 0.5


def test_pooling_joins_sequences_before_ranking():
    one = match_detections(truth((1, 0, 1, 1)), np.array([1]), BOX[None], np.array([0.3]))
    other = match_detections(truth((1, 0, 1, 1)), np.array([1]), BOX[None] + 40, np.array([0.9]))
    pooled = DetectionCounts.pooled([one, other])
    assert pooled.num_objects == 2
    assert average_precision(pooled) == 0.25
