import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.data import read_sequence
from study.errors import UserError


def refused(folder: Path, *fragments: str) -> None:
    with pytest.raises(UserError) as caught:
        read_sequence(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    for fragment in fragments:
        assert fragment in message


def edit(folder: Path, pattern: str, replacement: str) -> None:
    path = folder / "seqinfo.ini"
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1
    path.write_text(text)


def test_reads_a_sequence(make_sequence):
    folder = make_sequence("MOT17-77", frames=12, size=(32, 24), frameRate=12.5)
    sequence = read_sequence(folder)
    assert (sequence.name, sequence.frame_rate, sequence.image_size) == ("MOT17-77", 12.5, (32, 24))
    assert sequence.num_frames == 12
    assert [path.name for path in sequence.image_paths] == [f"{frame:06d}.png" for frame in range(1, 13)]
    truth = sequence.require_ground_truth()
    assert (truth.format, truth.num_frames) == ("MOT17", 12)
    np.testing.assert_array_equal(truth.boxes_xyxy[:, 3] - truth.boxes_xyxy[:, 1], 16)


def test_frames_are_ordered_by_number_not_by_name(make_sequence):
    folder = make_sequence(frames=12)
    for path in (folder / "img1").iterdir():
        path.rename(path.with_name(f"{int(path.stem)}.png"))
    assert [int(path.stem) for path in read_sequence(folder).image_paths] == list(range(1, 13))


def test_a_byte_order_mark_and_hidden_files_are_no_mistake(make_sequence):
    folder = make_sequence()
    path = folder / "seqinfo.ini"
    path.write_text(path.read_text(), encoding="utf-8-sig")
    (folder / "img1" / "._000001.png").write_bytes(b"left by another system")
    assert read_sequence(folder).num_frames == 6


def test_frames_without_ground_truth_can_be_read(make_sequence):
    folder = make_sequence(gt=None)
    sequence = read_sequence(folder)
    assert sequence.ground_truth is None
    with pytest.raises(UserError, match=re.escape(f"{folder}/gt/gt.txt: no such file; training and evaluation need")):
        sequence.require_ground_truth()


def test_missing_and_empty_folders_are_refused(tmp_path):
    refused(tmp_path / "nowhere", "no such folder")
    refused(tmp_path, "seqinfo.ini: no such file", "found an empty folder")


def test_paths_that_the_system_refuses_are_told(make_sequence, tmp_path):
    refused(tmp_path / ("x" * 300), "cannot be read (File name too long)")
    with pytest.raises(UserError, match=r"y{300}: cannot be read"):
        read_sequence(make_sequence(imDir="y" * 300))


def test_missing_seqinfo_tells_what_is_there(make_sequence):
    folder = make_sequence()
    (folder / "seqinfo.ini").unlink()
    refused(folder, "seqinfo.ini: no such file", "found gt, img1")


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"seqLength=3\n", "File contains no section headers"),
        (b"[Sequence]\nseqLength=3\nseqLength=4\n", "already exists"),
        (b"[Sequence]\n\xff\xfe\n", "codec can't decode"),
        (b"[Video]\nseqLength=3\n", "expected a section [Sequence], found [Video]"),
        (b"", "found none"),
    ],
)
def test_broken_seqinfo_is_refused(make_sequence, content, fragment):
    folder = make_sequence()
    (folder / "seqinfo.ini").write_bytes(content)
    refused(folder, "seqinfo.ini", fragment)


@pytest.mark.parametrize("key", ["imDir", "frameRate", "seqLength", "imWidth", "imHeight", "imExt"])
def test_missing_keys_are_refused(make_sequence, key):
    refused(make_sequence(**{key: None}), f"seqinfo.ini: [Sequence] has no {key}")


@pytest.mark.parametrize("key", ["frameRate", "seqLength", "imWidth", "imHeight"])
@pytest.mark.parametrize("value", ["0", "-3", "many", "nan", "inf", "9" * 400 + "x"])
def test_wrong_numbers_are_refused(make_sequence, key, value):
    refused(make_sequence(**{key: value}), f"seqinfo.ini: {key}: expected", f"found {value!r}")


def test_wrong_image_folder_and_extension_tell_what_is_there(make_sequence):
    folder = make_sequence()
    edit(folder, "img1", "images")
    refused(folder, "images: no such folder", "imDir")
    edit(folder, "images", "img1")
    edit(folder, ".png", ".jpg")
    refused(folder, "expected .jpg images (imExt of seqinfo.ini), found 6 .png")


def test_empty_image_folder_is_refused(make_sequence):
    refused(make_sequence(frames=0, seqLength=6), "img1: expected .png images", "found an empty folder")


@pytest.mark.parametrize(
    ("length", "removed", "fragment"),
    [
        (6, [3], "expected frames 1-6 (seqLength of seqinfo.ini), found 5 images; missing: 3;"),
        (6, [1, 3, 4, 6], "found 2 images; missing: 1, 3-4, 6;"),
        (4, [], "expected frames 1-4 (seqLength of seqinfo.ini), found 6 images; left over: 5, 6;"),
        (10**15, [2], "missing: 2, 7-1000000000000000;"),
    ],
)
def test_images_must_be_the_frames_of_seqinfo(make_sequence, length, removed, fragment):
    folder = make_sequence(seqLength=length)
    for frame in removed:
        (folder / "img1" / f"{frame:06d}.png").unlink()
    refused(folder, fragment)


def test_frames_count_from_one(make_sequence):
    folder = make_sequence()
    (folder / "img1" / "000006.png").rename(folder / "img1" / "000000.png")
    refused(folder, "missing: 6; left over: 0")


def test_names_that_are_no_frames_or_frames_twice_are_refused(make_sequence):
    folder = make_sequence()
    extra = folder / "img1" / "6.png"
    extra.write_bytes(b"")
    refused(folder, "6.png: a second image of frame 6, beside 000006.png")
    extra.rename(folder / "img1" / "cover.png")
    refused(folder, "cover.png: expected a frame number as name, such as 000001.png")


def test_ground_truth_beyond_the_sequence_is_refused(make_sequence):
    folder = make_sequence(gt="1,1,5,5,8,16,1,1,1\n7,1,5,5,8,16,1,1,1\n")
    refused(folder, "gt.txt:2")


def test_digests_change_with_any_byte_and_reject_wrong_sizes(make_sequence):
    folder = make_sequence()
    before = read_sequence(folder).image_digests
    path = folder / "img1" / "000004.png"
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    after = read_sequence(folder).image_digests
    assert [frame for frame in range(6) if before[frame] != after[frame]] == [3]

    Image.new("RGB", (31, 24)).save(path)
    with pytest.raises(UserError, match=re.escape(f"{path}: the image is 31 x 24 pixels, expected 32 x 24")):
        _ = read_sequence(folder).image_digests


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_unreadable_images_are_refused(make_sequence, content):
    folder = make_sequence()
    path = folder / "img1" / "000002.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{path}: cannot read the image of {len(content)} bytes")):
        _ = read_sequence(folder).image_digests


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "frames", "rate", "size", "identities", "evaluated", "format"),
    [
        ("MOT17-09", 525, 30, (640, 360), 26, 5325, "MOT17"),
        ("PETS09-S2L1", 795, 7, (512, 384), 19, 4476, "MOT15"),
        ("ETH-Bahnhof", 1000, 14, (480, 360), 171, 5415, "MOT15"),
        ("KITTI-17", 145, 10, (612, 185), 9, 683, "MOT15"),
        ("TUD-Campus", 71, 25, (640, 480), 8, 359, "MOT15"),
    ],
)
def test_real_sequences(mot_test_data, name, frames, rate, size, identities, evaluated, format):
    sequence = read_sequence(mot_test_data / "mot" / name)
    truth = sequence.require_ground_truth()
    assert (sequence.num_frames, sequence.frame_rate, sequence.image_size) == (frames, rate, size)
    assert (truth.format, truth.num_frames, int(truth.evaluated.sum())) == (format, frames, evaluated)
    assert len(np.unique(truth.ids[truth.evaluated])) == identities
    assert len(sequence.image_digests) == frames
