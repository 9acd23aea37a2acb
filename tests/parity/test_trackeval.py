"""Equality with TrackEval 1.3.0, run through its own reader, preprocessing and evaluator on the same files."""

from pathlib import Path

import numpy as np
import pytest
import trackeval

from study.evaluation import METRICS, combine, summarize
from study.evaluation.folders import evaluate_folders
from study.motfile import Tracks, read_ground_truth, write_tracks

FORMATS = ("MOT15", "MOT16", "MOT17", "MOT20")
CLASSES = (1, 1, 1, 1, 2, 6, 7, 8, 9, 12)


class Case:
    """Files of ground truth and of a tracker's output, in the layout that both evaluators read."""

    def __init__(self, folder: Path):
        self.gt_dir = folder / "gt"
        self.trackers_dir = folder / "trackers"
        self.result_dir = self.trackers_dir / "tracker" / "data"
        self.result_dir.mkdir(parents=True)
        self.lengths = {}

    def add(self, sequence, ground_truth, result, num_frames):
        gt = self.gt_dir / sequence / "gt" / "gt.txt"
        gt.parent.mkdir(parents=True)
        gt.write_text(ground_truth)
        (self.gt_dir / sequence / "seqinfo.ini").write_text(f"[Sequence]\nname={sequence}\nseqLength={num_frames}\n")
        (self.result_dir / f"{sequence}.txt").write_text(result)
        self.lengths[sequence] = num_frames

    def ours(self):
        counts = evaluate_folders(self.gt_dir, self.result_dir)
        return {name: summarize(each) for name, each in {**counts, "OVERALL": combine(counts)}.items()}

    def trackeval(self, benchmark):
        quiet = {"PRINT_CONFIG": False}
        dataset = trackeval.datasets.MotChallenge2DBox(
            quiet
            | {
                "GT_FOLDER": str(self.gt_dir),
                "TRACKERS_FOLDER": str(self.trackers_dir),
                "TRACKERS_TO_EVAL": ["tracker"],
                "SEQ_INFO": dict(self.lengths),
                "SKIP_SPLIT_FOL": True,
                "BENCHMARK": benchmark,
            }
        )
        evaluator = trackeval.Evaluator(
            quiet
            | dict.fromkeys(["PRINT_RESULTS", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED"], False)
            | {"PLOT_CURVES": False, "LOG_ON_ERROR": None}
        )
        metrics = [trackeval.metrics.CLEAR(dict(quiet)), trackeval.metrics.Identity(dict(quiet))]
        results, _ = evaluator.evaluate([dataset], [*metrics, trackeval.metrics.HOTA()])
        sequences = results["MotChallenge2DBox"]["tracker"]
        rows = {name: {} for name in sequences}
        for name, classes in sequences.items():
            clear, identity, hota = (classes["pedestrian"][metric] for metric in ("CLEAR", "Identity", "HOTA"))
            for metric in METRICS:
                if metric in ("hota", "deta", "assa"):
                    field = {"hota": "HOTA", "deta": "DetA", "assa": "AssA"}[metric]
                    rows[name][metric] = float(np.mean(hota[field]))
                elif metric in ("idf1", "idp", "idr"):
                    rows[name][metric] = float(identity[metric.upper()])
                else:
                    field = {"fp": "CLR_FP", "fn": "CLR_FN", "frag": "Frag"}.get(metric, metric.upper())
                    rows[name][metric] = clear[field]
        rows["OVERALL"] = rows.pop("COMBINED_SEQ")
        return rows


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        for metric, value in row.items():
            if isinstance(value, int):
                assert value == theirs[name][metric], (name, metric)
            else:
                assert value == pytest.approx(theirs[name][metric], rel=0, abs=1e-9), (name, metric)


def draw(rng, benchmark, num_frames, num_objects, arena, decimals):
    """Text of a ground truth and of a tracker's output: births and deaths, gaps, misses, switches, ids used again."""
    truth, result = [], []
    position = rng.uniform(0, arena, (num_objects, 2))
    velocity = rng.normal(0, 2, (num_objects, 2))
    size = rng.uniform(20, 40, (num_objects, 1)) * [1, 2]
    first = rng.integers(1, num_frames // 2 + 1, num_objects)
    last = rng.integers(num_frames // 2, num_frames + 1, num_objects)
    classes = rng.choice(CLASSES, num_objects)
    track_of = {number: number + 1 for number in range(num_objects)}
    for frame in range(1, num_frames + 1):
        boxes = {}
        for number in np.flatnonzero((first <= frame) & (frame <= last)):
            if rng.random() < 0.08:
                continue
            box = np.round(np.concatenate((position[number] + frame * velocity[number], size[number])), decimals)
            flag = int(rng.random() > 0.1)
            truth.append((frame, number + 1, box, flag, classes[number]))
            if rng.random() < 0.05:
                track_of[number] = int(rng.integers(1, 2 * num_objects))
            if rng.random() < 0.85:
                boxes[track_of[number]] = box + rng.normal(0, 3, 4)
        for _ in range(rng.poisson(1)):
            boxes.setdefault(
                int(rng.integers(1, 3 * num_objects)), np.concatenate((rng.uniform(0, arena, 2), [30, 60]))
            )
        if rng.random() > 0.05:
            result += [(frame, track, boxes[track]) for track in sorted(boxes)]
    lines = []
    for frame, identity, box, flag, class_ in truth:
        end = "-1,-1,-1" if benchmark == "MOT15" else f"{class_},{rng.random():.3f}"
        lines.append(f"{frame},{identity},{_text(box, decimals)},{flag},{end}\n")
    return "".join(lines), "".join(f"{f},{t},{_text(box.clip(1), decimals)},0.9,-1,-1,-1\n" for f, t, box in result)


def _text(box, decimals):
    return ",".join(f"{value:.{decimals}f}" for value in box)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("benchmark", FORMATS)
def test_random_tracks_in_any_order_of_lines(case, benchmark, seed):
    rng = np.random.default_rng([seed, FORMATS.index(benchmark)])
    for number, (num_frames, num_objects, arena) in enumerate([(30, 3, 300), (40, 15, 100), (60, 8, 200), (2, 40, 60)]):
        drawn = draw(rng, benchmark, num_frames, num_objects, arena, decimals=3)
        truth, result = ("".join(rng.permutation(text.splitlines(keepends=True))) for text in drawn)
        case.add(f"{benchmark}-{number:02}", truth, result, num_frames)
    assert_equal(case.ours(), case.trackeval(benchmark))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("benchmark", FORMATS)
def test_random_tracks_on_whole_pixels_with_equal_overlaps(case, benchmark, seed):
    rng = np.random.default_rng([100 + seed, FORMATS.index(benchmark)])
    for number in range(3):
        truth, _ = draw(rng, benchmark, 30, 25, 60, decimals=0)
        _, result = draw(rng, benchmark, 30, 25, 60, decimals=0)
        case.add(f"{benchmark}-{number:02}", truth, result, 30)
    assert_equal(case.ours(), case.trackeval(benchmark))


BOX = "10,20,30,60"
EDGE_CASES = {
    "MOT17-no-tracks": (f"1,1,{BOX},1,1,1\n2,1,{BOX},1,1,1\n", ""),
    "MOT17-no-ground-truth": ("", f"1,1,{BOX},1,-1,-1,-1\n"),
    "MOT17-neither": ("", ""),
    "MOT17-nothing-evaluated": (f"1,1,{BOX},0,1,1\n2,2,{BOX},1,3,1\n", f"1,1,{BOX},1,-1,-1,-1\n"),
    "MOT17-only-distractors": (f"1,1,{BOX},0,8,1\n2,1,{BOX},0,8,1\n", f"1,1,{BOX},1,-1,-1,-1\n"),
    "MOT17-nothing-matches": (f"1,1,{BOX},1,1,1\n", "1,1,500,500,30,60,1,-1,-1,-1\n"),
    "MOT17-iou-of-one-half": ("1,1,0,0,10,10,1,1,1\n", "1,1,0,0,10,5,1,-1,-1,-1\n"),
}


@pytest.mark.parametrize("sequence", EDGE_CASES)
def test_edge_case(case, sequence):
    case.add(sequence, *EDGE_CASES[sequence], num_frames=3)
    assert_equal(case.ours(), case.trackeval("MOT17"))


def test_edge_cases_pooled(case):
    for sequence, (truth, result) in EDGE_CASES.items():
        case.add(sequence, truth, result, num_frames=3)
    assert_equal(case.ours(), case.trackeval("MOT17"))


@pytest.mark.real_data
def test_published_values(case, mot_test_data):
    for sequence, num_frames in (("TUD-Campus", 71), ("TUD-Stadtmitte", 179)):
        folder = mot_test_data / "metrics" / "py-motmetrics_TUD" / sequence
        case.add(sequence, (folder / "gt.txt").read_text(), (folder / "test.txt").read_text(), num_frames)
    ours = case.ours()
    assert_equal(ours, case.trackeval("MOT15"))
    counts = ("fp", "fn", "idsw", "frag", "mt", "pt", "ml")
    assert [ours["TUD-Campus"][name] for name in counts] == [13, 150, 7, 7, 1, 6, 1]
    assert [ours["TUD-Stadtmitte"][name] for name in counts] == [45, 452, 7, 6, 5, 4, 1]
    assert [ours["OVERALL"][name] for name in counts] == [58, 602, 14, 13, 6, 10, 2]
    fractions = ("idf1", "mota", "motp")
    published = {
        "TUD-Campus": (0.557659, 0.526462, 1 - 0.277201),
        "TUD-Stadtmitte": (0.644619, 0.564014, 1 - 0.345904),
        "OVERALL": (0.624296, 0.555116, 1 - 0.330177),
    }
    for sequence, values in published.items():
        assert [ours[sequence][name] for name in fractions] == pytest.approx(values, abs=1e-6)
    published_hota = {
        "TUD-Campus": (0.3913974378, 0.4180470302, 0.3691206812),
        "TUD-Stadtmitte": (0.3978490170, 0.3922675724, 0.4088407518),
    }
    for sequence, values in published_hota.items():
        assert [ours[sequence][name] for name in ("hota", "deta", "assa")] == pytest.approx(values, abs=1e-9)


def perturbed(ground_truth, rng):
    """Tracks made of all rows, distractors too: some missing, all jittered, pairs of ids swapped from some frame on."""
    frames, ids, boxes_xyxy = ground_truth.frames, ground_truth.ids.copy(), ground_truth.boxes_xyxy
    for frame in rng.choice(np.unique(frames), 20):
        one, other = rng.choice(np.unique(ids), 2, replace=False)
        was_one, was_other = ((ids == number) & (frames >= frame) for number in (one, other))
        ids[was_one], ids[was_other] = other, one
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    boxes_xyxy = boxes_xyxy + np.tile(size, 2) * rng.normal(0, 0.08, boxes_xyxy.shape)
    kept = np.flatnonzero((rng.random(len(ids)) < 0.85) & (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1))
    order = kept[np.lexsort((ids[kept], frames[kept]))]
    return Tracks(frames[order], ids[order], boxes_xyxy[order], rng.random(len(order)))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("benchmark", "sequences"),
    [("MOT15", ("ETH-Bahnhof", "KITTI-17", "PETS09-S2L1", "TUD-Campus")), ("MOT17", ("MOT17-09",))],
)
def test_perturbed_ground_truth(case, mot_test_data, tmp_path, benchmark, sequences):
    rng = np.random.default_rng(7)
    for sequence in sequences:
        path = mot_test_data / "mot" / sequence / "gt" / "gt.txt"
        ground_truth = read_ground_truth(path, sequence=sequence)
        assert ground_truth.format == benchmark
        result = tmp_path / "result.txt"
        write_tracks(result, perturbed(ground_truth, rng))
        case.add(sequence, path.read_text(), result.read_text(), ground_truth.num_frames)
    ours = case.ours()
    assert_equal(ours, case.trackeval(benchmark))
    assert all(row["idsw"] > 0 and row["fn"] > 0 for row in ours.values())
