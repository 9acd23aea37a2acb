import numpy as np
import pytest

from study.tracker.chaining import Chainer, Chaining, PairedDetections, soft_nms


def detections(*rows):
    """From (x in this frame, x in the frame before, score)."""

    def boxes(xs):
        return np.array([[x, 0.0, x + 10, 30] for x in xs]).reshape(-1, 4)

    return PairedDetections(boxes([r[0] for r in rows]), boxes([r[1] for r in rows]), np.array([r[2] for r in rows]))


def run(frames, **settings):
    associator = Chainer(Chaining(**settings))
    result = []
    for rows in frames:
        found = associator.update(detections(*rows))
        result.append({box[0]: int(identity) for identity, box in zip(found.ids, found.boxes_xyxy, strict=True)})
    return result


def test_chaining_follows_jumps_that_no_overlap_could():
    assert run([[(0, 0, 0.9)], [(50, 0, 0.9)], [(100, 50, 0.9)]]) == [{0: 1}, {50: 1}, {100: 1}]


def test_crossing_objects_keep_their_identities():
    frames = [[(0, 0, 0.9), (40, 40, 0.9)], [(38, 2, 0.9), (3, 41, 0.9)]]
    assert run(frames) == [{0: 1, 40: 2}, {38: 1, 3: 2}]


def test_a_lost_track_is_recovered_at_constant_velocity():
    frames = [[(0, 0, 0.9)], [(8, 0, 0.9)], [(16, 8, 0.9)], [], [], [(40, 90, 0.9)]]
    assert run(frames, velocity_momentum=0.0)[-1] == {40: 1}


def test_a_lost_track_is_reported_where_its_velocity_takes_it_for_as_long_as_asked():
    frames = [[(0, 0, 0.9)], [(8, 0, 0.9)], [(16, 8, 0.7)], [], [], [], [(48, 90, 0.9)]]
    tracked = run(frames, velocity_momentum=0.0, coast_frames=2)
    assert tracked == [{0: 1}, {8: 1}, {16: 1}, {24: 1}, {32: 1}, {}, {48: 1}]


def test_an_extrapolated_box_keeps_its_size():
    associator = Chainer(Chaining(coast_frames=9))
    associator.update(PairedDetections(np.array([[10.0, 0, 14, 8]]), np.array([[0.0, 0, 20, 20]]), np.array([0.9])))
    found = [associator.update(detections()).boxes_xyxy[0].tolist() for _ in range(9)]
    assert found[0] == [12, -6, 16, 2]
    assert found[-1] == [28, -54, 32, -46]


def test_every_box_has_the_score_it_was_last_detected_with_and_all_detections_are_candidates():
    associator = Chainer(Chaining(coast_frames=1))
    associator.update(detections((0, 0, 0.9), (50, 50, 0.6)))
    found = associator.update(detections((50, 50, 0.5), (90, 90, 0.2)))
    assert found.ids.tolist() == [1, 2]
    assert found.scores.tolist() == [0.9, 0.5]
    assert found.candidate_scores.tolist() == [0.5, 0.2]
    assert found.candidate_boxes_xyxy[:, 0].tolist() == [50, 90]


def test_misses_are_counted_consecutively_and_a_track_is_forgotten():
    seen, gap = [(0, 0, 0.9)], []
    assert run([seen, gap, gap, seen, gap, gap, seen], max_missed=2)[-1] == {0: 1}
    assert run([seen, gap, gap, gap, seen], max_missed=2)[-1] == {0: 2}


def test_weak_detections_continue_tracks_but_start_none():
    assert run([[(0, 0, 0.4)], [(0, 0, 0.6)], [(1, 0, 0.4)], [(1, 1, 0.1)]]) == [{}, {0: 1}, {1: 1}, {}]


@pytest.mark.parametrize("seed", range(5))
def test_identities_are_unique_in_a_frame(seed):
    random = np.random.default_rng(seed)
    associator = Chainer(Chaining())
    for _ in range(30):
        count = random.integers(0, 12)
        boxes = random.uniform(0, 60, (count, 4))
        boxes[:, 2:] = boxes[:, :2] + 20
        before = boxes + random.normal(0, 4, (count, 4))
        found = associator.update(PairedDetections(boxes, before, random.random(count)))
        assert len(set(found.ids)) == len(found.ids) == len(np.unique(found.boxes_xyxy, axis=0))
        assert (found.ids > 0).all()


def test_soft_nms_decays_by_a_gaussian_of_the_overlap():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [100, 0, 110, 10]])
    order, scores = soft_nms(boxes, np.array([0.9, 0.8, 0.3]), sigma=0.5, min_score=0.01)
    assert order.tolist() == [0, 2, 1]
    assert scores == pytest.approx([0.9, 0.3, 0.8 * np.exp(-2)])
    assert soft_nms(boxes, np.array([0.9, 0.8, 0.3]), sigma=0.5, min_score=0.2)[0].tolist() == [0, 2]


def test_no_detections():
    order, scores = soft_nms(np.zeros((0, 4)), np.zeros(0), 0.5, 0.1)
    assert len(order) == len(scores) == 0
    assert run([[], [(0, 0, 0.9)], []]) == [{}, {0: 1}, {}]
