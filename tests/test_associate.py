"""`python -m study.track DETECTIONS -o OUT`: association alone, from files to files."""

import numpy as np
import pytest

from study.motfile import read_tracks
from study.track import main


def write_walkers(folder, frames=6, scale=1.0):
    """Two walkers who keep apart, the second missing in frame 4, and a faint one; as a sequence with detections."""
    lines = []
    for frame in range(1, frames + 1):
        lines.append(f"{frame},-1,{10 + 3 * frame},20,20,50,{90 * scale},-1,-1,-1")
        if frame != 4:
            lines.append(f"{frame},-1,{200 - 3 * frame},30,20,50,{80 * scale},-1,-1,-1")
        lines.append(f"{frame},-1,100,100,10,30,{5 * scale},-1,-1,-1")
    (folder / "det").mkdir(parents=True)
    (folder / "det" / "det.txt").write_text("\n".join(lines) + "\n")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={frames + 2}\n")


@pytest.fixture
def sequences(tmp_path):
    for name in ("A-01", "B-02"):
        write_walkers(tmp_path / "data" / name)
    return tmp_path / "data"


def test_a_folder_of_sequences(sequences, tmp_path, capsys):
    assert main([str(sequences), "-o", str(tmp_path / "out"), "--min-score", "10"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [", ".join(line.split(", ")[:2]) for line in told] == [
        "A-01: 8 frames, 2 tracks",
        "B-02: 8 frames, 2 tracks",
    ]
    tracks = read_tracks(tmp_path / "out" / "A-01.txt")
    assert sorted(set(tracks.ids)) == [1, 2]
    assert (tracks.frames[tracks.ids == 1] == np.arange(1, 7)).all()
    assert tracks.frames[tracks.ids == 2].tolist() == [1, 2, 3, 5, 6]
    assert set(tracks.scores) == {90.0, 80.0}


def test_one_sequence_one_file_and_every_detection(sequences, tmp_path):
    assert main([str(sequences / "A-01"), "-o", str(tmp_path / "one")]) == 0
    assert main([str(sequences / "A-01" / "det" / "det.txt"), "-o", str(tmp_path / "two")]) == 0
    (tmp_path / "walk.txt").write_text((sequences / "A-01" / "det" / "det.txt").read_text())
    assert main([str(tmp_path / "walk.txt"), "-o", str(tmp_path / "three")]) == 0
    files = [tmp_path / name for name in ("one/A-01.txt", "two/A-01.txt", "three/walk.txt")]
    assert len({file.read_text() for file in files}) == 1
    assert len(set(read_tracks(files[0]).ids)) == 3


def test_no_detections_are_no_tracks(tmp_path):
    (tmp_path / "none.txt").write_text("")
    assert main([str(tmp_path / "none.txt"), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "none.txt").read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing: no such file or folder; expected a det.txt, a sequence with det/det.txt"),
        (["empty"], "empty: no detections here; expected a det.txt"),
        (["model.pt"], "model.pt: no file of detections: a checkpoint needs FRAMES_OR_VIDEO after it"),
        (["bad.txt"], "bad.txt:1: width is 0, expected pixels above 0"),
        (["times.txt"], "times.txt: frame 1700000000; expected frames counted from 1, at most 1,000,000: are these"),
        (["good.txt", "--draw", "video"], "--draw: without a CHECKPOINT there are no frames and no network"),
        (["good.txt", "--min-score", "much"], "argument --min-score: invalid float value: 'much'"),
        (["out/good.txt", "--overwrite"], "out/good.txt: the result would replace what is tracked"),
        (["good.txt"], "out/good.txt: exists; choose another folder with -o, or add --overwrite"),
    ],
)
def test_mistakes(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "model.pt").write_bytes(b"weights")
    (tmp_path / "bad.txt").write_text("1,-1,5,5,0,9,1\n")
    (tmp_path / "times.txt").write_text("1700000000,-1,5,5,4,9,1\n")
    for path in ("good.txt", "out/good.txt"):
        (tmp_path / path).write_text("1,-1,5,5,4,9,1\n")
    assert main([*arguments, "-o", "out"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}")
    assert told.count("\n") == 1
