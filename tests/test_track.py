"""`python -m study.track` from end to end: real checkpoints, real images, real videos."""

import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from study.checkpoint import model_bytes
from study.config import Configuration, Data, Train
from study.data import read_splits
from study.drawing import COMMENT
from study.evaluation.__main__ import main as evaluate
from study.losses.objectives import CLS_REG_REID
from study.motfile import read_tracks
from study.sources import find_sources
from study.track import main
from study.tracker import chained
from study.tracker.chaining import Chaining
from study.train import train_trial
from study.weighting import hwf


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Checkpoint of a short training with low thresholds, the folder of its validation split, its last figures."""
    folder = tmp_path_factory.mktemp("trained")
    config = Configuration(
        data=Data(root="synthetic:tiny", image_size=(96, 64)),
        tracker=chained.Config(
            width=8,
            fpn_channels=16,
            tower_channels=16,
            tower_depth=1,
            association=Chaining(start_score=0.15, keep_score=0.1),
        ),
        objective=CLS_REG_REID,
        weighting=hwf.Config(),
        train=Train(epochs=1, steps_per_epoch=60, warmup_steps=5, lr=5e-3),
    )
    splits = read_splits(config.data, folder)
    *_, final = train_trial(config, 0, splits, cache_dir=folder, device=torch.device("cpu"))
    (folder / "model.pt").write_bytes(model_bytes(config, final.state()))
    for clip in splits.val:
        shutil.copytree(clip.sequence.folder, folder / "val" / clip.name)
    return folder / "model.pt", folder / "val", final.metrics


@pytest.fixture
def model(trained) -> Path:
    return trained[0]


@pytest.fixture
def sequence(trained, tmp_path) -> Path:
    """A validation sequence that the test may change."""
    (original,) = trained[1].iterdir()
    return Path(shutil.copytree(original, tmp_path / "input" / original.name))


@pytest.fixture
def images(sequence) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted((sequence / "img1").iterdir())]


@pytest.fixture
def expected(model, sequence, tmp_path, capsys) -> str:
    """Result lines of the sequence."""
    assert main([str(model), str(sequence), "-o", str(tmp_path / "expected")]) == 0
    capsys.readouterr()
    text = (tmp_path / "expected" / f"{sequence.name}.txt").read_text()
    assert len(text.splitlines()) > 20
    return text


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


def write_video(path, pictures, codec="ffv1", pixel_format="bgr0", rate=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = pixel_format
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


def read_video(path):
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate)
        return rate, [frame.to_image() for frame in container.decode(video=0)]


def left_behind(folder):
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))] if folder.is_dir() else []


def test_scores_are_those_of_the_validation(trained, tmp_path, capsys):
    model, folder, metrics = trained
    assert run(capsys, model, folder, "-o", tmp_path / "out")[0] == 0
    assert evaluate([str(folder), str(tmp_path / "out"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["OVERALL"]
    assert scores["fp"] > 0
    assert 0 < scores["idf1"] < 1
    assert scores == {name: pytest.approx(metrics[f"val_{name}"], abs=1e-8) for name in scores}


def test_the_summary_tells_frames_pace_and_path(model, sequence, tmp_path, capsys):
    code, out, err = run(capsys, model, sequence, "-o", tmp_path / "new" / "out")
    path = tmp_path / "new" / "out" / f"{sequence.name}.txt"
    identities = len(np.unique(read_tracks(path, num_frames=16).ids))
    assert (code, err) == (0, "")
    assert out.startswith(f"{sequence.name}: 16 frames, {identities} tracks, ")
    assert out.endswith(f" frames/s: {path}\n")


@pytest.mark.parametrize("layout", ["without seqinfo and gt", "img1 itself", "plain folder", "inside a folder"])
def test_every_layout_gives_the_same_tracks(layout, model, sequence, expected, tmp_path, capsys):
    (sequence / "seqinfo.ini").unlink()
    shutil.rmtree(sequence / "gt")
    place, name = sequence, sequence.name
    if layout == "img1 itself":
        place = sequence / "img1"
    elif layout == "plain folder":
        place, name = (sequence / "img1").rename(tmp_path / "street"), "street"
    elif layout == "inside a folder":
        place = sequence.parent
        (place / "notes").mkdir()
    assert run(capsys, model, place, "-o", tmp_path / "out")[0] == 0
    assert left_behind(tmp_path / "out") == [f"{name}.txt"]
    assert (tmp_path / "out" / f"{name}.txt").read_text() == expected


def test_images_are_taken_in_natural_order(model, images, expected, tmp_path, capsys):
    (tmp_path / "street").mkdir()
    for number, image in enumerate(images):
        image.save(tmp_path / "street" / f"cam2_{number}.png")
    assert run(capsys, model, tmp_path / "street", "-o", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "street.txt").read_text() == expected


def test_a_lossless_video_gives_the_tracks_of_its_images(model, images, expected, tmp_path, capsys):
    write_video(tmp_path / "street.mkv", images)
    assert run(capsys, model, tmp_path / "street.mkv", "-o", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "street.txt").read_text() == expected


def test_a_turned_video_is_read_upright(images, tmp_path):
    path = write_video(tmp_path / "phone.mp4", [images[0].rotate(90, expand=True)], "libx264", "yuv420p")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2: a rotation to the right by 90 degrees
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    (source,) = find_sources(path)
    assert source.image_size == images[0].size
    (frame,) = source.frames((96, 64))
    difference = np.asarray(frame.picture(), dtype=float) - np.asarray(images[0], dtype=float)
    assert np.abs(difference).mean() < 12


def test_frames_are_read_one_at_a_time(sequence):
    (source,) = find_sources(sequence)
    source.image_paths[1].write_text("no image")
    frames = source.frames((96, 64))
    assert next(frames).resized.shape == (64, 96, 3)
    with pytest.raises(ValueError, match="000002"):
        next(frames)


def test_drawn_frames(model, sequence, expected, tmp_path, capsys):
    code, out, _ = run(capsys, model, sequence, "-o", tmp_path / "out", "--draw", "frames")
    folder = tmp_path / "out" / sequence.name
    assert code == 0
    assert "frames/s without drawing" in out
    assert out.strip().endswith(f"{folder}.txt, {folder}")
    assert left_behind(folder) == [f"{number:06d}.jpg" for number in range(1, 17)]
    assert folder.with_suffix(".txt").read_text() == expected
    with Image.open(folder / "000016.jpg") as last:
        assert last.size == (640, 400)  # of 128 x 80
        assert last.info["comment"] == COMMENT


def test_drawn_video(model, images, tmp_path, capsys):
    odd = [image.crop((0, 0, 127, 79)) for image in images]
    write_video(tmp_path / "odd.mkv", odd, rate=12)
    assert run(capsys, model, tmp_path / "odd.mkv", "-o", tmp_path / "out", "--draw", "video")[0] == 0
    assert left_behind(tmp_path / "out") == ["odd.mp4", "odd.txt"]
    rate, frames = read_video(tmp_path / "out" / "odd.mp4")
    assert (rate, len(frames), frames[0].size) == (12, 16, (762, 474))
    large = [image.resize((701, 501)) for image in images[:3]]
    write_video(tmp_path / "large.mkv", large)
    assert run(capsys, model, tmp_path / "large.mkv", "-o", tmp_path / "out", "--draw", "video")[0] == 0
    assert read_video(tmp_path / "out" / "large.mp4")[1][0].size == (702, 502)


def test_results_are_kept_unless_told(model, sequence, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = (model, sequence, "-o", out, "--draw", "frames")
    assert run(capsys, *arguments)[0] == 0
    (out / f"{sequence.name}.txt").write_text("precious")
    code, _, err = run(capsys, *arguments)
    assert (code, err) == (
        2,
        f"error: {out / sequence.name}.txt: exists; choose another folder with -o, or add --overwrite\n",
    )
    assert (out / f"{sequence.name}.txt").read_text() == "precious"
    (sequence / "seqinfo.ini").unlink()
    sorted((sequence / "img1").iterdir())[-1].unlink()
    assert run(capsys, *arguments, "--overwrite")[0] == 0
    assert len(read_tracks(out / f"{sequence.name}.txt", num_frames=15).frames) > 20
    assert left_behind(out / sequence.name) == [f"{number:06d}.jpg" for number in range(1, 16)]
    assert len(left_behind(out)) == 17


def test_nothing_of_the_users_own_is_replaced(model, sequence, images, tmp_path, capsys):
    before = left_behind(tmp_path / "input")
    code, _, err = run(capsys, model, sequence, "-o", sequence.parent, "--draw", "frames", "--overwrite")
    assert (code, "would replace what is tracked" in err) == (2, True)
    video = write_video(sequence.parent / "street.mp4", images, "libx264", "yuv420p")
    content = video.read_bytes()
    code, _, err = run(capsys, model, video, "-o", sequence.parent, "--draw", "video", "--overwrite")
    assert (code, "would replace what is tracked" in err) == (2, True)
    assert video.read_bytes() == content
    for name in ("notes.md", "000001.jpg"):
        own = sequence.parent / "street"
        own.mkdir()
        images[0].save(own / name, "JPEG")
        code, _, err = run(capsys, model, video, "-o", sequence.parent, "--draw", "frames", "--overwrite")
        assert (code, "a folder that study.track did not draw" in err) == (2, True)
        assert left_behind(own) == [name]
        shutil.rmtree(own)
    video.unlink()
    assert left_behind(tmp_path / "input") == before


def break_image(sequence):
    path = sequence / "img1" / "000009.png"
    path.write_bytes(path.read_bytes()[:-500])
    return sequence


def other_size(sequence):
    Image.new("RGB", (64, 64)).save(sequence / "img1" / "000009.png")
    return sequence


def without_seqinfo(sequence):
    (sequence / "seqinfo.ini").unlink()
    return sequence


def wrong_seqinfo(sequence):
    path = sequence / "seqinfo.ini"
    path.write_text(path.read_text().replace("imWidth=128", "imWidth=1920"))
    return sequence


def no_images(sequence):
    shutil.rmtree(sequence)
    sequence.mkdir()
    (sequence / "a.csv").write_text("")
    (sequence / "b.csv").write_text("")
    (sequence / "sub").mkdir()
    return sequence


def text_as_video(sequence):
    path = sequence / "street.mp4"
    path.write_text("no video")
    return path


def sound_only(sequence):
    path = sequence / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damaged_video(sequence):
    noise = np.random.default_rng(0).integers(0, 255, (30, 80, 128, 3), np.uint8)
    path = write_video(sequence / "street.avi", [Image.fromarray(picture) for picture in noise], "mjpeg", "yuvj420p")
    content = bytearray(path.read_bytes())
    starts = [match.end() for match in re.finditer(rb"00dc....\xff\xd8", content, re.DOTALL)]
    assert len(starts) == 30
    content[starts[11] : starts[11] + 700] = bytes(700)
    path.write_bytes(content)
    return path


def changing_video(sequence):
    small, large = (
        write_video(sequence / f"{side}.ts", [Image.new("RGB", (side, side), (200, 0, 0))] * 5, "mpeg2video", "yuv420p")
        for side in (64, 128)
    )
    path = sequence / "street.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    return path


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda sequence: sequence / "gone", r"gone: no such file or folder; expected a video, a folder of images"),
        (no_images, r"tiny-03: no images; expected .*, found 2 \.csv files, 1 folders"),
        (break_image, r"000009\.png: cannot read the image"),
        (lambda s: break_image(without_seqinfo(s)), r"000009\.png: cannot read the image"),
        (other_size, r"000009\.png: 64 x 64 pixels, expected 128 x 80 \(as in seqinfo\.ini\)"),
        (lambda s: other_size(without_seqinfo(s)), r"000009\.png: 64 x 64 .*, expected 128 x 80 \(as 000001\.png\)"),
        (wrong_seqinfo, r"000001\.png: 128 x 80 pixels, expected 1920 x 80 \(as in seqinfo\.ini\)"),
        (text_as_video, r"street\.mp4: cannot be read as a video \(Invalid data"),
        (sound_only, r"song\.mp4: no video stream"),
        (damaged_video, r"street\.avi: cannot decode frame 12 of the video"),
        (changing_video, r"street\.ts: frame [56]: 128 x 128 pixels, expected 64 x 64 \(as frame 1\)"),
    ],
)
@pytest.mark.parametrize("draw", ["frames", "video"])
def test_bad_input_is_one_line_and_leaves_nothing(prepare, message, draw, model, sequence, tmp_path, capsys):
    code, out, err = run(capsys, model, prepare(sequence), "-o", tmp_path / "out", "--draw", draw)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert left_behind(tmp_path / "out") == []


def test_a_sequence_that_fails_leaves_the_finished_ones(model, sequence, tmp_path, capsys):
    shutil.copytree(sequence, sequence.parent / "tiny-10")
    break_image(sequence.parent / "tiny-10")
    code, out, _ = run(capsys, model, sequence.parent, "-o", tmp_path / "out")
    assert code == 2
    assert out.startswith("tiny-03: 16 frames")
    assert left_behind(tmp_path / "out") == ["tiny-03.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{sequence}/seqinfo.ini", "{sequence}", "-o", "{out}"], "seqinfo.ini: not a checkpoint"),
        (["{model}", "{sequence}", "-o", "{model}"], "model.pt: cannot be written (File exists)"),
        (["{model}", "{sequence}", "-o", "{model}/out"], "out: cannot be written (Not a directory)"),
        (["{model}", "{sequence}", "-o", "{out}", "--device", "cuda:99"], "--device cuda:99: cannot be used here"),
        (["{model}", "{sequence}", "-o", "{out}", "--device", "gpu"], "--device gpu: cannot be used here"),
        (["{model}", "{sequence}"], "required: -o/--out; see 'python -m study.track --help'"),
        (["{model}", "{sequence}", "-o", "{out}", "--min-score", "0.5"], "--min-score: only for detections in files;"),
        (["{model}", "{sequence}", "-o", "{out}", "--draw", "gif"], "invalid choice: 'gif'"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, model, sequence, tmp_path, capsys):
    places = {"model": model, "sequence": sequence, "out": tmp_path / "out"}
    code, out, err = run(capsys, *(argument.format(**places) for argument in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert left_behind(tmp_path / "out") == []


def test_ctrl_c_keeps_finished_sequences_only(model, sequence, tmp_path):
    endless = sequence.parent / "tiny-10" / "img1"
    endless.mkdir(parents=True)
    for number in range(4_000):
        (endless / f"{number}.png").symlink_to(sequence / "img1" / "000001.png")
    command = [sys.executable, "-m", "study.track", model, sequence.parent, "-o", tmp_path / "out", "--draw", "video"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "out").glob(".tracking-*/tiny-10.mp4")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.startswith("tiny-03: 16 frames")
    assert out.count("\n") == 1
    assert err == "interrupted: finished sequences are kept, nothing is left of the others\n"
    assert left_behind(tmp_path / "out") == ["tiny-03.mp4", "tiny-03.txt"]


@pytest.mark.real_data
def test_real_sequences(mot_test_data, model, tmp_path, capsys):
    sources = {source.name: source for source in find_sources(mot_test_data / "mot")}
    assert sources["MOT17-09"].num_frames == 525
    assert sources["PETS09-S2L1"].frame_rate == 7
    frame = next(sources["TUD-Campus"].frames((96, 64)))
    assert frame.picture().size == sources["TUD-Campus"].image_size == (640, 480)
    campus = mot_test_data / "mot" / "TUD-Campus"
    code, out, _ = run(capsys, model, campus, "-o", tmp_path, "--draw", "video")
    assert (code, out.startswith("TUD-Campus: 71 frames, ")) == (0, True)
    assert len(read_video(tmp_path / "TUD-Campus.mp4")[1]) == 71
