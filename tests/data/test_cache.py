import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.data import Clip, FrameCache, default_cache_dir, read_sequence
from study.data.images import resize_frame
from study.errors import UserError

SIZE = (16, 12)

OPEN = """
import hashlib, logging, sys
from pathlib import Path
from study.data import Clip, FrameCache, read_sequence
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
sequence = read_sequence(Path(sys.argv[1]))
clip = Clip(sequence, 1, sequence.num_frames)
size = int(sys.argv[3]), int(sys.argv[4])
frames = FrameCache.open([clip], image_size=size, cache_dir=Path(sys.argv[2])).frames(clip)
print("frames", hashlib.sha256(frames.tobytes()).hexdigest())
"""


def start(folder: Path, cache_dir: Path, size: tuple[int, int] = SIZE) -> subprocess.Popen:
    command = [sys.executable, "-c", OPEN, str(folder), str(cache_dir), *map(str, size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def opened(folder: Path, cache_dir: Path, size: tuple[int, int] = SIZE) -> np.ndarray:
    sequence = read_sequence(folder)
    clip = Clip(sequence, 1, sequence.num_frames)
    return FrameCache.open([clip], image_size=size, cache_dir=cache_dir).frames(clip)


def expected(folder: Path, size: tuple[int, int] = SIZE) -> np.ndarray:
    images = [Image.open(path).convert("RGB") for path in sorted((folder / "img1").iterdir())]
    return np.stack([np.array(image.resize(size, Image.Resampling.BILINEAR)) for image in images])


def cache_file(cache_dir: Path) -> Path:
    [path] = (cache_dir / "frames").glob("*.frames")
    return path


def test_frames_are_the_images_resized(make_sequence, tmp_path):
    folder = make_sequence(frames=70)  # more than a block
    frames = opened(folder, tmp_path)
    assert (frames.shape, frames.dtype, frames.flags.writeable) == ((70, 12, 16, 3), np.uint8, False)
    np.testing.assert_array_equal(frames, expected(folder))
    sequence = read_sequence(folder)
    clips = [Clip(sequence, 1, 5), Clip(sequence, 65, 70)]
    cache = FrameCache.open(clips, image_size=SIZE, cache_dir=tmp_path)
    np.testing.assert_array_equal(cache.frames(clips[1]), frames[64:])
    assert len(list((tmp_path / "frames").glob("*.frames"))) == 1


def test_second_opening_decodes_nothing(make_sequence, tmp_path, caplog):
    folder = make_sequence()
    caplog.set_level(logging.INFO)
    first = opened(folder, tmp_path)
    status = cache_file(tmp_path).stat()
    second = opened(folder, tmp_path)
    assert [record.getMessage().split(" into ")[0] for record in caplog.records] == ["decoding 6 frames of A"]
    assert cache_file(tmp_path).stat().st_ino == status.st_ino
    np.testing.assert_array_equal(first, second)


def test_content_and_size_have_files_of_their_own(make_sequence, tmp_path):
    folder = make_sequence()
    before = opened(folder, tmp_path)
    Image.new("RGB", (32, 24), (255, 0, 0)).save(folder / "img1" / "000002.png")
    np.testing.assert_array_equal(opened(folder, tmp_path)[1], np.broadcast_to([255, 0, 0], (12, 16, 3)))
    assert opened(folder, tmp_path, (8, 8)).shape == (6, 8, 8, 3)
    assert len(list((tmp_path / "frames").glob("*.frames"))) == 3
    assert before[1].std() > 0


def test_the_same_images_elsewhere_share_a_file(make_sequence, tmp_path):
    folder = make_sequence()
    opened(folder, tmp_path)
    opened(folder.rename(folder.with_name("renamed")), tmp_path)
    cache_file(tmp_path)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_pixel(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def flip_the_magic(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def zero_the_end(content: bytes) -> bytes:
    return content[:-500] + bytes(500)


def empty(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncate, flip_a_pixel, flip_the_magic, zero_the_end, empty])
def test_damaged_files_are_replaced_with_a_warning(make_sequence, tmp_path, caplog, damage):
    folder = make_sequence()
    held = opened(folder, tmp_path)
    path = cache_file(tmp_path)
    whole = path.read_bytes()
    other = path.with_name("damaged")
    other.write_bytes(damage(whole))
    other.replace(path)  # a new file, as after a crash; `held` keeps the old one
    np.testing.assert_array_equal(opened(folder, tmp_path), held)
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(path) in warning.getMessage()
    assert "damaged" in warning.getMessage()
    assert path.read_bytes() == whole


def test_processes_at_once_build_once(make_sequence, tmp_path):
    folder = make_sequence(frames=60, size=(160, 120))
    outputs = [process.communicate(timeout=60)[0] for process in [start(folder, tmp_path) for _ in range(4)]]
    assert sum(output.count("decoding 60 frames") for output in outputs) == 1
    assert len({output.splitlines()[-1] for output in outputs}) == 1
    np.testing.assert_array_equal(opened(folder, tmp_path), expected(folder))


def begun(part: Path) -> bool:
    with part.open("rb") as file:
        return any(file.read(8192)[4096:])


def test_a_killed_builder_leaves_nothing_that_counts(make_sequence, tmp_path):
    folder = make_sequence(frames=150)
    large = (640, 480)
    process = start(folder, tmp_path, large)
    frames = tmp_path / "frames"
    deadline = time.monotonic() + 60
    while not any(begun(path) for path in frames.glob("*.part")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list(frames.glob("*.part"))
    assert not list(frames.glob("*.frames"))

    np.testing.assert_array_equal(opened(folder, tmp_path, large)[[0, -1]], expected(folder, large)[[0, -1]])
    assert not list(frames.glob("*.part"))


def test_a_full_disk_is_told_and_leaves_nothing(make_sequence, tmp_path):
    folder = make_sequence(frames=60)
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n{OPEN}"
    command = [sys.executable, "-c", code, str(folder), str(tmp_path), *map(str, SIZE)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    message = finished.stderr.splitlines()[-1]
    assert message.startswith(f"study.errors.UserError: {tmp_path}/frames/")
    assert f"{4096 + 60 * 16 * 12 * 3} bytes (File too large)" in message
    assert [path.suffix for path in (tmp_path / "frames").iterdir()] in ([], [".lock"])


def test_a_cache_folder_that_is_a_file_is_told(make_sequence, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match=r"cannot write the decoded frames of A.*LOSS_WEIGHTING_CACHE"):
        opened(make_sequence(), blocked)


def test_a_truncated_image_is_told(make_sequence, tmp_path):
    folder = make_sequence()
    path = folder / "img1" / "000003.png"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UserError, match=re.escape(f"{path}: cannot read the image of")):
        opened(folder, tmp_path)
    assert not list((tmp_path / "frames").glob("*.part"))


def test_an_image_that_changes_after_it_was_hashed_is_told(make_sequence, tmp_path):
    folder = make_sequence()
    sequence = read_sequence(folder)
    clip = Clip(sequence, 1, 6)
    assert len(clip.image_digests) == 6
    path = folder / "img1" / "000003.png"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UserError, match=re.escape(f"{path}: the image changed after the study began")):
        FrameCache.open([clip], image_size=SIZE, cache_dir=tmp_path)


def test_memory_stays_flat(make_sequence, tmp_path):
    peak = "\nprint(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"  # KiB since exec
    code = OPEN.replace("frames.tobytes()", "b''") + peak
    peaks = []
    for name, frames in (("short", 70), ("long", 280)):
        folder = make_sequence(name, frames=frames, size=(8, 8))
        command = [sys.executable, "-c", code, str(folder), str(tmp_path), "320", "180"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        peaks.append(int(output.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 18_000  # the 210 frames more are 35,437 KiB


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_every_colour_mode_becomes_rgb(mode):
    image = Image.new("RGB", (32, 24), (200, 100, 50)).convert(mode)
    assert resize_frame(image, SIZE).shape == (12, 16, 3)


def test_reduced_jpeg_decoding_keeps_the_geometry(tmp_path):
    x, y = np.meshgrid(np.arange(613), np.arange(347))
    smooth = np.stack([x / 613, y / 347, (x + y) / 960], axis=-1) * 255
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    whole = np.array(Image.open(tmp_path / "a.jpg").resize((64, 48), Image.Resampling.BILINEAR))
    drafted = Image.open(tmp_path / "a.jpg")
    reduced = resize_frame(drafted, (64, 48))
    assert drafted.size == (307, 174)  # half, rounded up: one side stands for 348 rows of 347
    assert np.abs(reduced.astype(int) - whole).max() <= 2


def test_default_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOSS_WEIGHTING_CACHE", raising=False)
    assert default_cache_dir() == Path("/home/someone/.cache/loss-weighting-study")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_cache_dir() == Path("/var/cache/loss-weighting-study")
    monkeypatch.setenv("LOSS_WEIGHTING_CACHE", "~/frames")
    assert default_cache_dir() == Path("/home/someone/frames")


@pytest.mark.real_data
def test_real_frames(mot_test_data, tmp_path):
    folder = mot_test_data / "mot" / "TUD-Campus"
    frames = opened(folder, tmp_path, (192, 112))
    assert frames.shape == (71, 112, 192, 3)
    difference = np.abs(frames[::10].astype(int) - expected(folder, (192, 112))[::10])
    assert difference.mean() < 2  # reduced decoding against whole decoding
    assert os.path.getsize(cache_file(tmp_path)) == 4096 + frames.nbytes
