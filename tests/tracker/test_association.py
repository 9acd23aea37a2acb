"""Association by motion, appearance and overlap: one frame after the other."""

import numpy as np

from study.tracker.association import Association, Associator, Detections

RED, BLUE = (1.0, 0.0), (0.0, 1.0)


def run(frames, **settings):
    """Frames of (x, score) or (x, score, embedding); what is reported in each: identity by x."""
    associator = Associator(Association(**settings))
    result = []
    for rows in frames:
        boxes = np.array([[row[0], 0.0, row[0] + 20, 40.0] for row in rows]).reshape(-1, 4)
        embedded = [row[2] for row in rows if len(row) > 2]
        embeddings = np.array(embedded).reshape(-1, 2) if embedded or not rows else None
        found = associator.update(Detections(boxes, np.array([row[1] for row in rows]), embeddings))
        result.append({box[0]: int(identity) for identity, box in zip(found.ids, found.boxes_xyxy, strict=True)})
    return result


def test_a_walker_keeps_its_identity_by_overlap_alone():
    assert run([[(0, 0.9)], [(3, 0.9)], [(6, 0.9)]]) == [{0: 1}, {3: 1}, {6: 1}]


def test_those_of_the_first_frame_are_reported_at_once_and_later_ones_when_they_are_seen_again():
    assert run([[(0, 0.9)], [(0, 0.9), (100, 0.9)], [(0, 0.9), (101, 0.9)]]) == [{0: 1}, {0: 1}, {0: 1, 101: 2}]
    assert run([[(0, 0.9)], [(0, 0.9), (100, 0.9)]], confirm_after=1)[-1] == {0: 1, 100: 2}


def test_an_unconfirmed_track_that_is_missed_is_forgotten():
    frames = [[(0, 0.9)], [(0, 0.9), (100, 0.9)], [(0, 0.9)], [(0, 0.9), (100, 0.9)], [(0, 0.9), (100, 0.9)]]
    assert run(frames)[-1] == {0: 1, 100: 3}


def test_appearance_tells_two_that_meet_apart():
    """Both stand where either could be: motion and overlap alone would not know."""
    frames = [[(0, 0.9, RED), (8, 0.9, BLUE)], [(4.1, 0.9, BLUE), (3.9, 0.9, RED)]]
    assert run(frames) == [{0: 1, 8: 2}, {3.9: 1, 4.1: 2}]
    swapped = [[(0, 0.9, RED), (8, 0.9, BLUE)], [(3.9, 0.9, BLUE), (4.1, 0.9, RED)]]
    assert run(swapped)[-1] == {4.1: 1, 3.9: 2}


def test_no_likeness_reaches_beyond_the_gate():
    frames = [[(0, 0.9, RED)], [(300, 0.9, RED)], [(300, 0.9, RED)]]
    assert run(frames) == [{0: 1}, {}, {300: 2}]


def test_another_appearance_at_the_same_place_is_taken_in_the_second_round():
    frames = [[(0, 0.9, RED)], [(1, 0.9, BLUE)]]
    assert run(frames)[-1] == {1: 1}
    assert run(frames, iou=1.0)[-1] == {}


def test_a_lost_track_is_found_again_by_appearance_until_it_is_forgotten():
    frames = [[(0, 0.9, RED)], [(0, 0.9, RED)], *[[]] * 5, [(1, 0.9, RED)], [(1, 0.9, RED)]]
    assert run(frames, max_missed=5)[-1] == {1: 1}
    assert run(frames, max_missed=4)[-1] == {1: 2}


def test_a_lost_track_may_be_reported_for_a_while_where_it_should_be():
    walk = [[(3.0 * frame, 0.9)] for frame in range(10)]
    hidden, back = [[], [], []], [[(39.0, 0.8)]]
    associator = Associator(Association(coast_frames=2, iou=0.3))
    found = []
    for rows in walk + hidden + back:
        boxes = np.array([[x, 0.0, x + 20, 40.0] for x, _ in rows]).reshape(-1, 4)
        found.append(associator.update(Detections(boxes, np.array([score for _, score in rows]))))
    assert [one.ids.tolist() for one in found] == [[1]] * 12 + [[]] + [[1]]
    assert [one.scores.tolist() for one in found[9:]] == [[0.9], [0.9], [0.9], [], [0.8]]
    for frame in (10, 11):
        np.testing.assert_allclose(found[frame].boxes_xyxy[0], [3.0 * frame, 0, 3.0 * frame + 20, 40], atol=1.0)
    assert run(walk + hidden + back, iou=0.3)[10:] == [{}, {}, {}, {39.0: 1}]


def test_a_faint_detection_continues_a_track_and_starts_none():
    assert run([[(0, 0.9)], [(1, 0.35), (100, 0.35)], [(2, 0.35), (100, 0.35)]]) == [{0: 1}, {1: 1}, {2: 1}]
    assert run([[(0, 0.9)], [(1, 0.25)]])[-1] == {}


def test_presets_are_named_after_their_papers():
    """SORT takes a third of overlap for a match; Deep SORT reports a track with its third detection."""
    frames = [[(0, 0.9)], [(9, 0.9)]]
    assert run(frames)[-1] == {}
    sort = Association.sort()
    assert run(frames, **sort.model_dump())[-1] == {9: 1}
    assert Association.sort(max_missed=3).max_missed == 3
    deep = Association.deep_sort(report="detection").model_dump()
    late = [[(0, 0.9, RED)], *[[(0, 0.9, RED), (100, 0.9, BLUE)]] * 3]
    assert run(late, **deep) == [{0: 1}, {0: 1}, {0: 1}, {0: 1, 100: 2}]


def test_the_embedding_of_a_track_is_a_running_mean():
    associator = Associator(Association(embedding_momentum=0.5))
    for embedding in (RED, BLUE):
        associator.update(Detections(np.array([[0.0, 0, 20, 40]]), np.array([0.9]), np.array([embedding])))
    assert associator._embeddings is not None
    np.testing.assert_allclose(associator._embeddings, [[0.5**0.5, 0.5**0.5]])


def test_filtered_boxes_lag_behind_a_jump():
    jump = [[(0, 0.9)], [(0, 0.9)], [(6, 0.9)]]
    assert list(run(jump)[-1]) == [6]
    (place,) = run(jump, report="filtered")[-1]
    assert 0 < place < 6


def test_all_detections_are_candidates():
    found = Associator(Association()).update(Detections(np.array([[0.0, 0, 20, 40]]), np.array([0.1])))
    assert found.ids.tolist() == []
    assert found.candidate_scores.tolist() == [0.1]
