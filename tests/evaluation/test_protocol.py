"""Rules of the protocol on examples small enough to count by hand, and properties of the metrics."""

from dataclasses import replace

import numpy as np
import pytest

from study.evaluation import METRICS, combine, evaluate_sequence, summarize
from study.motfile import GroundTruth, Tracks

BOX = (0, 0, 10, 10)


def truth(rows, format="MOT17", num_frames=None):
    """Ground truth of (frame, id, box_xyxy, flag, class)."""
    rows = sorted(rows)
    frames = np.array([row[0] for row in rows], dtype=np.int64)
    return GroundTruth(
        frames=frames,
        ids=np.array([row[1] for row in rows], dtype=np.int64),
        boxes_xyxy=np.array([row[2] for row in rows], dtype=float).reshape(-1, 4),
        flags=np.array([row[3] for row in rows], dtype=np.int64),
        classes=np.array([row[4] for row in rows], dtype=np.int64),
        visibility=np.ones(len(rows)),
        format=format,
        num_frames=num_frames or int(frames.max(initial=0)),
    )


def found(rows):
    """Tracks of (frame, id, box_xyxy)."""
    rows = sorted(rows)
    return Tracks(
        frames=np.array([row[0] for row in rows], dtype=np.int64),
        ids=np.array([row[1] for row in rows], dtype=np.int64),
        boxes_xyxy=np.array([row[2] for row in rows], dtype=float).reshape(-1, 4),
        scores=np.ones(len(rows)),
    )


def score(truth_rows, result_rows, format="MOT17"):
    return summarize(evaluate_sequence(truth(truth_rows, format), found(result_rows)))


def crowd(seed, num_frames=40, num_objects=8):
    """Objects that drift, and tracks of most of them with noise and exchanged ids."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, 100, (num_objects, 2)), rng.normal(0, 2, (num_objects, 2))
    truth_rows, result_rows = [], []
    for frame in range(1, num_frames + 1):
        for number in range(num_objects):
            box = np.tile(start[number] + frame * speed[number], 2) + np.array([0, 0, 20, 40])
            truth_rows.append((frame, number + 1, tuple(box), 1, 1))
            if rng.random() < 0.8:
                track = 1 + (number + int(frame > 20)) % num_objects
                result_rows.append((frame, track, tuple(box + rng.normal(0, 1.5, 4))))
    return truth(truth_rows), found(result_rows)


def test_names_and_types():
    summary = summarize(evaluate_sequence(*crowd(0)))
    assert tuple(summary) == METRICS
    assert [type(value) for value in summary.values()] == [float] * 8 + [int] * 7


def test_perfect_tracks():
    ground_truth, _ = crowd(0)
    tracks = Tracks(ground_truth.frames, ground_truth.ids, ground_truth.boxes_xyxy, np.ones(len(ground_truth.ids)))
    summary = summarize(evaluate_sequence(ground_truth, tracks))
    assert [summary[name] for name in METRICS[:8]] == pytest.approx([1] * 8)
    assert [summary[name] for name in METRICS[8:]] == [0, 0, 0, 0, 8, 0, 0]


def test_motp_is_the_mean_overlap():
    summary = score([(1, 1, BOX, 1, 1), (2, 1, BOX, 1, 1)], [(1, 1, BOX), (2, 1, (0, 0, 10, 6))])
    assert summary["motp"] == pytest.approx((1 + 0.6) / 2)


@pytest.mark.parametrize(("height", "matches"), [(5, True), (4.999, False)])
def test_an_overlap_of_one_half_matches(height, matches):
    summary = score([(1, 1, BOX, 1, 1)], [(1, 1, (0, 0, 10, height))])
    assert (summary["fn"], summary["fp"], summary["idf1"]) == ((0, 0, 1.0) if matches else (1, 1, 0.0))


@pytest.mark.parametrize(("matched", "expected"), [(9, (1, 0, 0)), (8, (0, 1, 0)), (2, (0, 1, 0)), (1, (0, 0, 1))])
def test_bounds_of_mostly_tracked_and_mostly_lost(matched, expected):
    summary = score(
        [(frame, 1, BOX, 1, 1) for frame in range(1, 11)], [(frame, 1, BOX) for frame in range(1, matched + 1)]
    )
    assert (summary["mt"], summary["pt"], summary["ml"]) == expected


def test_a_switch_compares_with_the_last_match_ever():
    truth_rows = [(frame, 1, BOX, 1, 1) for frame in range(1, 6)]
    assert score(truth_rows, [(1, 1, BOX), (5, 2, BOX)])["idsw"] == 1
    assert score(truth_rows, [(1, 1, BOX), (5, 1, BOX)])["idsw"] == 0


def test_only_the_step_before_keeps_a_pair():
    better, worse = BOX, (0, 0, 10, 8)
    truth_rows = [(frame, 1, BOX, 1, 1) for frame in (1, 2, 3)]
    far = (500, 500, 510, 510)
    kept = score(truth_rows, [(1, 1, BOX), (2, 1, worse), (2, 2, better), (3, 1, BOX)])
    assert (kept["idsw"], kept["motp"]) == (0, pytest.approx((1 + 0.8 + 1) / 3))
    forgotten = score(truth_rows, [(1, 1, BOX), (2, 3, far), (3, 1, worse), (3, 2, better)])
    assert (forgotten["idsw"], forgotten["motp"]) == (1, 1.0)


def test_a_frame_without_any_output_is_no_step():
    truth_rows = [(frame, 1, BOX, 1, 1) for frame in (1, 2, 3)]
    summary = score(truth_rows, [(1, 1, BOX), (3, 1, (0, 0, 10, 8)), (3, 2, BOX)])
    assert (summary["idsw"], summary["fn"], summary["frag"]) == (0, 1, 0)


def test_fragmentations_count_gaps_in_the_annotation_too():
    other = (100, 100, 110, 110)
    result_rows = [(1, 1, BOX), (2, 9, other), (3, 1, BOX)]
    missed = [(1, 1, BOX, 1, 1), (2, 1, BOX, 1, 1), (2, 2, other, 1, 1), (3, 1, BOX, 1, 1)]
    absent = [row for row in missed if row[:2] != (2, 1)]
    assert score(missed, result_rows)["frag"] == 1
    assert score(absent, result_rows)["frag"] == 1


@pytest.mark.parametrize("class_", [2, 7, 8, 12])
@pytest.mark.parametrize("flag", [0, 1])
def test_boxes_on_distractors_do_not_count(class_, flag):
    for format in ("MOT16", "MOT17", "MOT20"):
        assert score([(1, 1, BOX, flag, class_)], [(1, 1, BOX)], format)["fp"] == 0
    assert score([(1, 1, BOX, flag, class_)], [(1, 1, (0, 0, 10, 4))])["fp"] == 1


def test_vehicles_are_distractors_on_mot20_only():
    assert [score([(1, 1, BOX, 0, 6)], [(1, 1, BOX)], format)["fp"] for format in ("MOT17", "MOT20")] == [1, 0]


def test_a_box_goes_to_the_distractor_only_if_it_fits_better_than_the_pedestrian():
    pedestrian, distractor = (1, 1, (0, 0, 10, 10), 1, 1), (1, 2, (0, 0, 10, 9), 1, 8)
    on_pedestrian = score([pedestrian, distractor], [(1, 1, (0, 0, 10, 10))])
    on_distractor = score([pedestrian, distractor], [(1, 1, (0, 0, 10, 9))])
    assert (on_pedestrian["fn"], on_pedestrian["fp"]) == (0, 0)
    assert (on_distractor["fn"], on_distractor["fp"]) == (1, 0)


@pytest.mark.parametrize("format", ["MOT15", "MOT17"])
def test_rows_with_flag_0_are_neither_found_nor_missed(format):
    summary = score([(1, 1, BOX, 0, 1)], [(1, 1, BOX)], format)
    assert (summary["fn"], summary["fp"]) == (0, 1)


def test_renamed_identities_change_nothing():
    ground_truth, tracks = crowd(1)
    names = np.random.default_rng(0).permutation(10_000)
    ids = names[tracks.ids]
    order = np.lexsort((ids, tracks.frames))
    renamed = Tracks(tracks.frames[order], ids[order], tracks.boxes_xyxy[order], tracks.scores[order])
    expected = summarize(evaluate_sequence(ground_truth, tracks))
    assert expected["idsw"] > 0
    assert summarize(evaluate_sequence(ground_truth, renamed)) == pytest.approx(expected, abs=1e-12)


def test_frames_without_boxes_change_nothing():
    ground_truth, tracks = crowd(2)
    expected = summarize(evaluate_sequence(ground_truth, tracks))
    moved = replace(ground_truth, frames=ground_truth.frames * 3 + 5, num_frames=10**12)
    assert summarize(evaluate_sequence(moved, replace(tracks, frames=tracks.frames * 3 + 5))) == expected


def test_boxes_without_area_match_nothing():
    summary = score([(1, 1, BOX, 1, 1)], [(1, 1, (5, 5, 5, 5)), (1, 2, (9, 9, 1, 1))])
    assert (summary["fp"], summary["fn"], summary["hota"]) == (2, 1, 0.0)


NOTHING = dict.fromkeys(METRICS, 0)


def test_sequences_without_tracks_or_ground_truth_are_defined():
    objects, boxes = [(1, 1, BOX, 1, 1), (2, 1, BOX, 1, 1)], [(1, 1, BOX), (1, 2, BOX)]
    assert score(objects, []) == NOTHING | {"fn": 2, "ml": 1}
    assert score([], boxes) == NOTHING | {"fp": 2}
    assert score([], []) == NOTHING
    pooled = combine({"without objects": evaluate_sequence(truth([]), found(boxes))})
    assert summarize(pooled) == NOTHING | {"fp": 2, "mota": -2}


def test_a_sequence_pooled_twice_has_its_fractions_and_twice_its_counts():
    counts = evaluate_sequence(*crowd(3))
    single, alone, twice = (
        summarize(counts),
        summarize(combine({"a": counts})),
        summarize(combine({"a": counts, "b": counts})),
    )
    assert alone == pytest.approx(single, abs=1e-12)
    assert {name: twice[name] for name in METRICS[:8]} == pytest.approx({name: single[name] for name in METRICS[:8]})
    assert [twice[name] for name in METRICS[8:]] == [2 * single[name] for name in METRICS[8:]]


def test_pooled_fractions_weigh_boxes_not_sequences():
    long, short = evaluate_sequence(*crowd(4, num_frames=60)), evaluate_sequence(*crowd(5, num_frames=5))
    pooled, rows = summarize(combine({"long": long, "short": short})), [summarize(long), summarize(short)]
    errors = sum(row["fp"] + row["fn"] + row["idsw"] for row in rows)
    assert pooled["mota"] == pytest.approx(1 - errors / (8 * 65))
    assert pooled["fn"] == sum(row["fn"] for row in rows)


def test_nothing_is_printed(capfd):
    summarize(evaluate_sequence(*crowd(6)))
    assert capfd.readouterr() == ("", "")
