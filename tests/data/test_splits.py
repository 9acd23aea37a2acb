import json
import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from study.config import Data, digest
from study.data import Clip, box_statistics, read_sequence, read_splits
from study.data.clips import Selection, parse_selection
from study.data.splits import write_manifest
from study.errors import UserError


@pytest.fixture
def root(make_sequence):
    make_sequence("A", frames=12)
    make_sequence("B", frames=6)
    return make_sequence("C", frames=6).parent


def splits_of(root, train=("A[1-4]",), val=("A[6-8]",), test=("A[10-]",)):
    return read_splits(Data(root=str(root), train=train, val=val, test=test), root.parent / "cache")


def refused(fragment, *arguments, **keywords):
    with pytest.raises(UserError, match=re.escape(fragment)) as caught:
        splits_of(*arguments, **keywords)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("MOT17-09", Selection("MOT17-09", 1, None)),
        ("MOT17-09[1-240]", Selection("MOT17-09", 1, 240)),
        ("MOT17-09[271-]", Selection("MOT17-09", 271, None)),
        (" KITTI-17[-90] ", Selection("KITTI-17", 1, 90)),
        ("A[7-7]", Selection("A", 7, 7)),
    ],
)
def test_selections(text, selection):
    assert parse_selection(text) == selection


@pytest.mark.parametrize(
    "text", ["", "A[", "A[]", "A[-]", "A[5]", "A[1-2", "A[1-2]x", "[1-2]", "A[a-b]", "A[1:2]", "x/A", "A[1-2][3-4]"]
)
def test_wrong_syntax_is_refused(text):
    with pytest.raises(UserError, match=re.escape(f"selection {text!r}: expected NAME, NAME[FIRST-LAST]")):
        parse_selection(text)


@pytest.mark.parametrize("text", ["A[0-3]", "A[4-3]", "A[-0]"])
def test_ranges_without_frames_are_refused(text):
    with pytest.raises(UserError, match="1 <= FIRST <= LAST"):
        parse_selection(text)


def test_clips_count_from_one_and_are_named_by_their_selection(make_sequence):
    sequence = read_sequence(make_sequence(frames=12))
    clip = Clip(sequence, 5, 8)
    assert (clip.name, clip.num_frames) == ("A[5-8]", 4)
    assert [path.stem for path in clip.image_paths] == ["000005", "000006", "000007", "000008"]
    assert clip.ground_truth.num_frames == 4
    np.testing.assert_array_equal(clip.ground_truth.frames, [1, 2, 3, 4])
    np.testing.assert_array_equal(clip.ground_truth.boxes_xyxy, sequence.require_ground_truth().boxes_xyxy[4:8])
    assert Clip(sequence, 1, 12).name == "A"


def test_splits_read_each_sequence_once(root):
    splits = splits_of(root, train=("A[1-4]", "B"), val=("A[6-8]",), test=("A[10-]",))
    assert [clip.name for clip in splits.train] == ["A[1-4]", "B"]
    assert splits.train[0].sequence is splits.val[0].sequence is splits.test[0].sequence
    assert splits.test[0].last == 12
    assert splits.data_hash == digest(splits.manifest)
    assert re.fullmatch("[0-9a-f]{16}", splits.data_hash)


def test_test_split_may_be_empty(root):
    assert splits_of(root, test=()).test == ()


def test_data_hash_ignores_places_and_times_and_ways_to_write_a_range(root, tmp_path):
    expected = splits_of(root).data_hash
    moved = tmp_path / "elsewhere" / "copied"
    shutil.copytree(root, moved)
    for path in moved.rglob("*"):
        os.utime(path, (1, 1))
    assert splits_of(moved).data_hash == expected
    assert splits_of(moved, train=("A[-4]",), test=("A[10-12]",)).data_hash == expected


def test_data_hash_changes_with_what_is_read_only(root):
    hashes = [splits_of(root).data_hash]
    image = root / "A" / "img1" / "000007.png"
    image.write_bytes(image.read_bytes() + b"\0")
    hashes.append(splits_of(root).data_hash)
    truth = root / "A" / "gt" / "gt.txt"
    truth.write_text(truth.read_text().replace("2,1,6,5,8,16,1,1,0.9", "2,1,6,5,8,16,1,1,0.8"))
    hashes.append(splits_of(root).data_hash)
    hashes.append(splits_of(root, train=("A[1-3]",)).data_hash)
    hashes.append(splits_of(root, train=("A[6-8]",), val=("A[1-4]",)).data_hash)
    hashes.append(splits_of(root, test=()).data_hash)
    assert len(set(hashes)) == len(hashes)

    used = hashes[2]
    unused = root / "A" / "img1" / "000005.png"
    unused.write_bytes(unused.read_bytes() + b"\0")
    truth.write_text(truth.read_text().replace("5,1,9,5,8,16,1,1,0.9", "5,1,9,5,8,16,1,1,0.8"))
    assert splits_of(root).data_hash == used


def test_manifest_is_written_with_its_hash(root, tmp_path):
    splits = splits_of(root)
    path = tmp_path / "manifest.json"
    write_manifest(splits, path)
    written = json.loads(path.read_text())
    assert written.pop("data_hash") == splits.data_hash
    assert digest(written) == splits.data_hash
    entry = written["train"][0]
    assert (entry["sequence"], entry["first"], entry["last"], entry["format"], entry["rows"]) == ("A", 1, 4, "MOT17", 4)
    assert str(root) not in path.read_text()


def test_splits_travel_between_processes_with_their_hashes(root):
    splits = splits_of(root)
    copied = pickle.loads(pickle.dumps(splits))
    shutil.rmtree(root)
    assert copied.train[0].image_digests == splits.train[0].image_digests


@pytest.mark.parametrize(
    ("selections", "fragment"),
    [
        ({"val": ("A[4-8]",)}, "data.val: A[4-8] shares frames 4-4 with A[1-4] of data.train"),
        ({"test": ("A",)}, "data.test: A shares frames 1-4 with A[1-4] of data.train"),
        ({"train": ("B", "B[2-3]")}, "data.train: B[2-3] shares frames 2-3 with B of data.train"),
        ({"val": ("A[6-13]",)}, "data.val: A[6-13]: A has frames 1-12"),
        ({"val": ("A[13-]",)}, "data.val: A[13-]: A has frames 1-12"),
        ({"val": ("A[6_8]",)}, "data.val: selection 'A[6_8]': expected NAME"),
        ({"train": ()}, "data.train: empty; expected sequences, such as --train NAME,NAME[1-240]"),
        ({"val": ()}, "has A, B, C"),
    ],
)
def test_wrong_splits_are_refused(root, selections, fragment):
    refused(fragment, root, **selections)


def test_unknown_sequences_suggest_the_nearest(root):
    (root / "MOT17-09").mkdir()
    refused("data.val: no sequence 'MOT17-9' in", root, val=("MOT17-9",))
    refused("did you mean 'MOT17-09'?", root, val=("MOT17-9[1-2]",))


def test_names_that_the_system_refuses_are_told(root):
    refused("data.root: ", root, val=("x" * 300,))


def test_one_video_under_two_names_is_refused_across_splits_only(root):
    shutil.copytree(root / "B", root / "B-SDP")
    assert len(splits_of(root, train=("A[1-4]", "B", "B-SDP")).train) == 3
    refused(
        "data.val: frame 3 of B-SDP is the same image as frame 3 of B of data.train",
        root, train=("B",), val=("B-SDP[3-]",),
    )  # fmt: skip


def test_a_split_without_evaluated_boxes_is_refused(make_sequence, root):
    make_sequence("empty", gt="1,1,5,5,8,16,0,1,1\n2,1,5,5,8,16,1,8,1\n")
    assert splits_of(root, train=("empty", "A[1-4]")).train[0].name == "empty"
    refused("data.train: no evaluated box (flag not 0, class 1) in empty", root, train=("empty",))


def test_a_split_needs_ground_truth(make_sequence, root):
    make_sequence("bare", gt=None)
    refused("bare/gt/gt.txt: no such file", root, test=("bare",))


def test_wrong_roots_are_refused(root, tmp_path):
    with pytest.raises(UserError, match=r"data\.root: not set.*--data DIR"):
        read_splits(Data(train=("A",), val=("B",)), tmp_path)
    refused("data.root: ", tmp_path / "nowhere")
    refused("is itself a sequence; expected the folder above it", root / "A")
    (tmp_path / "hollow").mkdir()
    refused("no folder in it", tmp_path / "hollow")
    with pytest.raises(UserError, match=r"data\.root: unknown preset in 'synthetic:no such'"):
        read_splits(Data(root="synthetic:no such"), tmp_path)


def test_a_synthetic_root_brings_its_splits_and_is_drawn_once(tmp_path):
    splits = read_splits(Data(root="synthetic:tiny"), tmp_path)
    assert splits.train
    assert splits.val
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.txt")}
    again = read_splits(Data(root="synthetic:tiny"), tmp_path)
    assert again.data_hash == splits.data_hash
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.txt")} == times

    first = splits.train[0].sequence.name
    chosen = read_splits(Data(root="synthetic:tiny", train=(f"{first}[1-5]",)), tmp_path)
    assert [clip.name for clip in chosen.train] == [f"{first}[1-5]"]
    assert [clip.name for clip in chosen.val] == [clip.name for clip in splits.val]


def test_box_statistics_are_of_evaluated_visible_boxes_at_the_resized_size(make_sequence):
    rows = [
        "1,1,5,5,8,16,1,1,0.5",
        "1,2,5,5,4,12,1,1,0.1",
        "2,3,5,5,3,3,0,1,1",
        "2,4,5,5,3,3,1,7,1",
        "3,5,5,5,6,9,1,1,1",
    ]
    sequence = read_sequence(make_sequence(size=(32, 24), gt="".join(f"{row}\n" for row in rows)))
    statistics = box_statistics([Clip(sequence, 1, 6)], (16, 6), 0.1)
    np.testing.assert_array_equal(statistics.widths, [4, 3])
    np.testing.assert_array_equal(statistics.heights, [4, 2.25])
    assert statistics.widths.dtype == statistics.heights.dtype == np.float64
    assert box_statistics([Clip(sequence, 1, 6)], (16, 6), 0.05).widths.size == 3
    with pytest.raises(UserError, match=r"data.min_visibility: no training box has a visibility above 0\.5"):
        box_statistics([Clip(sequence, 1, 1)], (16, 6), 0.5)


def test_the_room_does_not_import_torch():
    code = "import sys, study.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.real_data
def test_real_splits_have_the_evaluated_boxes_of_their_frames(mot_test_data, tmp_path):
    selections = {"train": ("MOT17-09[1-240]",), "val": ("MOT17-09[271-390]",), "test": ("MOT17-09[421-525]",)}
    splits = read_splits(Data(root=str(mot_test_data / "mot"), **selections), tmp_path)
    frames, flags, classes = np.loadtxt(
        mot_test_data / "mot/MOT17-09/gt/gt.txt", delimiter=",", usecols=(0, 6, 7), unpack=True
    )
    for clip, first, last in ((splits.train[0], 1, 240), (splits.val[0], 271, 390), (splits.test[0], 421, 525)):
        rows = (frames >= first) & (frames <= last)
        assert clip.ground_truth.evaluated.sum() == (rows & (flags == 1) & (classes == 1)).sum()
        assert len(clip.ground_truth.frames) == rows.sum()
