import hashlib
import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment

from search_spaces.hwf_grid import STUDY
from study.data import Clip, FrameCache, box_statistics, read_sequence
from study.data.street.drawing import Part, compose, disc, render, slab, wave
from study.data.street.scenery import CAMERA_KINDS
from study.data.synthetic import PRESETS, draw, ensure_drawn, main
from study.errors import UserError
from study.evaluation import combine, evaluate_sequence, summarize
from study.motfile import GroundTruth, Tracks
from study.tracking import track_frames

# Trackers are tuned on these data. Who changes what is drawn raises study.data.presets.VERSION and tunes again.
DIGESTS = {
    "default": "46e900c585105ef41eb0ba5c12804490af2ad8f05a81ae67d92f99697da66ac5",
    "tiny": "c3cc096fbf1d0fe72bc410aa749deec2ded5e8fba54c3b20369ae3aa108eb2b7",
}


@pytest.fixture(scope="session")
def roots(tmp_path_factory) -> dict[str, Path]:
    cache = tmp_path_factory.mktemp("synthetic")
    return {name: ensure_drawn(name, cache) for name in DIGESTS}


@pytest.fixture(scope="session")
def truths(roots) -> dict[str, GroundTruth]:
    return {s: read_sequence(roots["default"] / s).require_ground_truth() for s in PRESETS["default"].sequences}


def pixels(sequence: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((sequence / "img1").iterdir())])


def digest(root: Path) -> str:
    """Of decoded pixels and annotations, not of compressed files: libraries may compress differently."""
    total = hashlib.sha256()
    for folder in sorted(root.iterdir()):
        total.update(folder.name.encode())
        total.update(pixels(folder).tobytes())
        total.update((folder / "gt" / "gt.txt").read_bytes())
        total.update((folder / "seqinfo.ini").read_bytes())
    return total.hexdigest()


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    inter = np.clip(np.minimum(first[:, None, 2:], second[None, :, 2:]) - corner, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return inter / (areas[0][:, None] + areas[1][None] - inter)


def chained_by_iou(truth: GroundTruth) -> Tracks:
    """The true boxes, with identities that overlap alone would give them; tracks wait 10 frames at their last box."""
    kept, ids, waiting, found = truth.evaluated, np.zeros(len(truth.ids), np.int64), {}, 0
    for frame in np.unique(truth.frames[kept]):
        here = np.flatnonzero(kept & (truth.frames == frame))
        waiting = {ident: (last, box) for ident, (last, box) in waiting.items() if frame - last <= 11}
        if waiting:
            iou = box_iou(np.stack([box for _, box in waiting.values()]), truth.boxes_xyxy[here])
            known = list(waiting)
            for i, j in zip(*linear_sum_assignment(np.where(iou >= 0.5, -iou, 1.0)), strict=True):
                if iou[i, j] >= 0.5:
                    ids[here[j]] = known[i]
        for row in here:
            if not ids[row]:
                found += 1
                ids[row] = found
            waiting[ids[row]] = (frame, truth.boxes_xyxy[row])
    return Tracks(truth.frames[kept], ids[kept], truth.boxes_xyxy[kept], np.ones(kept.sum()))


def perfect(truth: GroundTruth) -> Tracks:
    kept = truth.evaluated
    return Tracks(truth.frames[kept], truth.ids[kept], truth.boxes_xyxy[kept], np.ones(kept.sum()))


def no_tracks(_: GroundTruth) -> Tracks:
    return Tracks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4)), np.empty(0))


def score(truths, names, tracker) -> dict:
    def ordered(tracks):
        order = np.lexsort((tracks.ids, tracks.frames))
        return Tracks(*(column[order] for column in (tracks.frames, tracks.ids, tracks.boxes_xyxy, tracks.scores)))

    counts = {name: evaluate_sequence(truths[name], ordered(tracker(truths[name]))) for name in names}
    return summarize(combine(counts))


def evaluated(truths, names, column) -> np.ndarray:
    return np.concatenate([getattr(truths[name], column)[truths[name].evaluated] for name in names])


@pytest.mark.parametrize("preset", DIGESTS)
def test_the_data_are_frozen(roots, preset):
    assert digest(roots[preset]) == DIGESTS[preset]


def test_another_seed_draws_another_street_and_presets_differ(roots, tmp_path):
    assert main(["tiny", str(tmp_path / "other"), "--seed", "1"]) == 0
    names = PRESETS["tiny"].sequences
    assert [folder.name for folder in sorted((tmp_path / "other").iterdir())] == list(names)
    assert all((pixels(tmp_path / "other" / s) != pixels(roots["tiny"] / s)).mean() > 0.5 for s in names)


def test_splits_are_disjoint_and_hold_every_sequence():
    for preset in PRESETS.values():
        splits = (*preset.train, *preset.val, *preset.test)
        assert splits == preset.sequences
        assert len(set(splits)) == len(splits)
        assert preset.train
        assert preset.val


@pytest.mark.parametrize("preset", DIGESTS)
def test_sequences_are_motchallenge_sequences(roots, preset):
    for name, length in zip(PRESETS[preset].sequences, PRESETS[preset].lengths, strict=True):
        sequence = read_sequence(roots[preset] / name)
        assert sequence.num_frames == len(sequence.image_digests) == length
        assert sequence.image_size == PRESETS[preset].size
        truth = sequence.require_ground_truth()
        assert truth.format == "MOT17"
        assert set(truth.classes[truth.flags == 1]) == {1}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_identities_need_work(truths, split):
    names = getattr(PRESETS["default"], split)
    assert score(truths, names, perfect)["idf1"] == 1
    assert 0.55 <= score(truths, names, chained_by_iou)["idf1"] <= 0.85


@pytest.mark.parametrize("answers", ["as it is", "whatever it thinks"])
@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_tracker_scores_nothing(truths, roots, tmp_path, answers, seed):
    names = PRESETS["default"].val[:6]
    clips = [Clip(s, 1, s.num_frames) for s in (read_sequence(roots["default"] / name) for name in names)]
    config, sizes = STUDY.tracker, box_statistics(clips, STUDY.data.image_size, STUDY.data.min_visibility)
    if answers == "whatever it thinks":
        anything = config.association.model_copy(update={"start_score": 0, "keep_score": 0})
        config = config.model_copy(update={"candidate_score": 0, "max_candidates": 40, "association": anything})
    torch.manual_seed(seed)
    tracker = config.build(STUDY.objective, sizes).eval()
    cache = FrameCache.open(clips, image_size=STUDY.data.image_size, cache_dir=tmp_path)
    tracks = {
        clip.name: track_frames(tracker, cache.frames(clip), clip.sequence.image_size, torch.device("cpu"))[0]
        for clip in clips
    }
    assert (sum(len(found.ids) for found in tracks.values()) > 0) == (answers == "whatever it thinks")
    counts = {name: evaluate_sequence(truths[name], tracks[name]) for name in names}
    assert summarize(combine(counts))["mota"] <= 0.05


def test_no_boxes_score_nothing(truths):
    assert score(truths, PRESETS["default"].val, no_tracks)["mota"] == 0


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_evaluated_people_can_be_seen(truths, split):
    names = getattr(PRESETS["default"], split)
    visibility = evaluated(truths, names, "visibility")
    assert (visibility >= 0.4).mean() >= 0.85
    assert visibility.min() >= 0.2 - 1e-4
    boxes = evaluated(truths, names, "boxes_xyxy")
    inside = np.minimum(boxes[:, 2:], PRESETS["default"].size) - np.maximum(boxes[:, :2], 0)
    assert inside.min() >= 3


def test_people_enter_leave_and_reach_outside_the_image(truths):
    width = PRESETS["default"].size[0]
    counts = [np.bincount(t.frames[t.evaluated], minlength=t.num_frames + 1)[1:] for t in truths.values()]
    assert 4 <= np.concatenate(counts).mean() <= 8
    assert np.concatenate(counts).min() == 0
    boxes = evaluated(truths, truths, "boxes_xyxy")
    assert ((boxes[:, 0] < 0) | (boxes[:, 2] > width)).mean() > 0.05
    entered, left = [], []
    for truth in truths.values():
        for ident in np.unique(truth.ids[truth.evaluated]):
            frames = truth.frames[truth.evaluated & (truth.ids == ident)]
            entered.append(frames.min() > 3)
            left.append(frames.max() < truth.num_frames - 3)
    assert np.mean(entered) > 0.1
    assert np.mean(left) > 0.1


def test_two_frames_tell_the_motion(truths):
    moved = []
    for truth in truths.values():
        for ident in np.unique(truth.ids[truth.evaluated]):
            rows = truth.evaluated & (truth.ids == ident)
            boxes, frames = truth.boxes_xyxy[rows], truth.frames[rows]
            centres, widths = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 2] - boxes[:, 0]
            moved += list((np.abs(np.diff(centres)) / ((widths[1:] + widths[:-1]) / 2))[np.diff(frames) == 1])
    assert np.quantile(moved, 0.995) <= 1.2
    assert np.quantile(moved, 0.9) >= 0.25


def test_localisation_needs_work(truths):
    """Neither one box for everybody nor one shape for everybody's height will do."""
    train, val = (evaluated(truths, getattr(PRESETS["default"], split), "boxes_xyxy") for split in ("train", "val"))
    sizes, usual = val[:, 2:] - val[:, :2], np.median(train[:, 2:] - train[:, :2], axis=0)
    inter = np.minimum(sizes, usual).prod(1)
    assert (inter / (sizes.prod(1) + usual.prod() - inter) >= 0.5).mean() < 0.7
    same_shape = sizes[:, 1] * usual[0] / usual[1]
    assert (np.minimum(same_shape, sizes[:, 0]) / np.maximum(same_shape, sizes[:, 0]) >= 0.7).mean() < 0.87


def test_hidden_people_are_hidden_by_somebody_or_the_border(truths):
    width, height = PRESETS["default"].size
    for truth in truths.values():
        seen_less = np.flatnonzero((truth.visibility < 1) & (truth.classes == 1))
        for row in seen_less:
            box = truth.boxes_xyxy[row]
            others = (truth.frames == truth.frames[row]) & (truth.ids != truth.ids[row]) & (truth.classes != 12)
            overlapped = (box_iou(box[None], truth.boxes_xyxy[others]) > 0).any()
            assert overlapped or box[:2].min() < 0 or box[2] > width or box[3] > height


def test_nobody_is_outside_the_annotated_boxes(roots, truths):
    """Before a standing camera, pixels outside all boxes keep their colour (shadows only dim it)."""
    for name in PRESETS["default"].sequences[CAMERA_KINDS.index("still") :: len(CAMERA_KINDS)]:
        frames = pixels(roots["default"] / name).astype(np.float64)
        colour = frames - frames.mean(3, keepdims=True)
        free = np.ones(frames.shape[:3], bool)
        truth = truths[name]
        for frame, (x0, y0, x1, y1) in zip(truth.frames, truth.boxes_xyxy.astype(int), strict=True):
            free[frame - 1, max(0, y0 - 2) : max(0, y1 + 2), max(0, x0 - 2) : max(0, x1 + 2)] = False
        street = (colour * free[..., None]).sum(0) / np.maximum(1, free.sum(0))[..., None]
        strange = np.abs(colour - street).max(3) > 25
        assert strange[~free].sum() > 1000
        assert strange[free].sum() < 0.001 * strange[~free].sum()


def test_boxes_and_silhouettes_are_exact():
    assert render([slab(10, 20, 3, 5, (255, 0, 0))]).box_xywh() == (7, 15, 6, 10)
    assert render([slab(-10, 20, 3, 5, (255, 0, 0)), slab(0, 20, 3, 5, (0, 0, 0))]).box_xywh() == (-13, 15, 16, 10)
    assert render([disc(0, 0, 4, (0, 0, 0), 2.0)]).box_xywh() == (-8, -4, 16, 8)
    assert render([Part(0, 0, 2, 0, 10, 2, (0, 0, 0))]).box_xywh() == (-2, -2, 4, 14)
    assert render([disc(0.5, 0.5, 0.2, (0, 0, 0))]).box_xywh() == (0, 0, 1, 1)


def test_composing_covers_and_cuts():
    image = np.zeros((8, 8, 3), np.float32)
    rows, columns, silhouette = compose(image, render([slab(0, 4, 2, 2, (200, 200, 200))]))
    assert silhouette.sum() == 8
    assert (image.max(2) > 100).sum() == 8
    compose(image, render([slab(1, 4, 1, 4, (0, 0, 0))]))
    assert (image.max(2) > 1).sum() == 0
    rows, columns, silhouette = compose(image, render([slab(30, 4, 2, 2, (200, 200, 200))]))
    assert image[rows, columns].size == silhouette.size == 0


def test_wave_is_periodic_and_odd():
    assert [wave(t) for t in (0, 0.25, 0.5, 0.75, 1, 7.25, -0.25)] == [0, 1, 0, -1, 0, 1, -1]


def _draw_tiny(cache: Path) -> None:
    ensure_drawn("tiny", cache)


def test_concurrent_drawers_share_one_whole_folder(roots, tmp_path):
    (tmp_path / ".synthetic-tiny.0123.part" / "tiny-01").mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_draw_tiny, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    folders = [path for path in tmp_path.iterdir() if path.is_dir() and not path.name.startswith(".")]
    assert [digest(folder) for folder in folders] == [digest(roots["tiny"])]
    assert len(list(tmp_path.glob(".*.part"))) == 1


def test_a_folder_drawn_meanwhile_is_kept(roots, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        drawn = list(pool.map(draw, ["tiny", "tiny"], [tmp_path / "street"] * 2))
    assert drawn == [tmp_path / "street"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["street"]
    assert digest(drawn[0]) == digest(roots["tiny"])


def test_mistakes_are_told_in_one_line(tmp_path, capsys):
    def told(*arguments: str) -> str:
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert told("tinny", str(tmp_path / "a")) == "error: unknown preset 'tinny'; did you mean 'tiny'?"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    assert f"{tmp_path / 'full'}: not empty" in told("tiny", str(tmp_path / "full"))
    assert "thesis.tex: not a sequence" in told("tiny", str(tmp_path / "full"), "--overwrite")
    assert (tmp_path / "full" / "thesis.tex").exists()
    assert "is a file" in told("tiny", str(tmp_path / "full" / "thesis.tex"))
    assert "--seed: expected 0 or more, found -1" in told("tiny", str(tmp_path / "a"), "--seed", "-1")
    assert "--seed: invalid int value: 'one'" in told("tiny", str(tmp_path / "a"), "--seed", "one")
    assert "required: OUT_DIR; see 'python -m study.data.synthetic --help'" in told("tiny")
    assert "cannot be written" in told("tiny", "/proc/street")
    assert not (tmp_path / "a").exists()
    with pytest.raises(UserError, match="unknown preset 'gentle'; known: default, easy, hard, tiny"):
        ensure_drawn("gentle", tmp_path)


def test_the_command_draws_and_overwrites(roots, tmp_path):
    command = [sys.executable, "-W", "error", "-m", "study.data.synthetic", "tiny", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True)
    assert digest(tmp_path / "out") == digest(roots["tiny"])
    assert main(["tiny", str(tmp_path / "out"), "--overwrite", "--seed", "3"]) == 0
    assert digest(tmp_path / "out") != digest(roots["tiny"])
