"""Credentials in an address, and in the environment, are in nothing that a study leaves or says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from s3_server import running
from study_files import study_file

from study.data.presets import ensure_drawn
from study.files import open_folder

TESTS = Path(__file__).parents[1]
KEY, SECRET = "AKIAKEYOFADDRESS", "secretofaddress"
ELSEWHERE = {"WANDB_API_KEY": "tokenofenvironment", "AWS_SESSION_TOKEN": "sessionofenvironment"}


@pytest.fixture
def server(tmp_path):
    drawn = ensure_drawn("tiny", tmp_path / "drawn")
    with running("bucket") as server:
        for file in (path for path in drawn.rglob("*") if path.is_file()):
            (open_folder(server.uri) / f"mot/{file.parent.relative_to(drawn)}").write(file.name, file.read_bytes())
        yield server, sorted(path.name for path in drawn.iterdir() if path.is_dir())


def test_no_secret_is_left_or_said(server, tmp_path):
    server, (train, val, *_) = server
    (tmp_path / "tiny.py").write_text(study_file(train="epochs=1, steps_per_epoch=2, warmup_steps=1", root=""))
    bucket = server.uri.replace("key:secret@", f"{KEY}:{SECRET}@")
    results, data = (bucket.replace("?", f"/{place}?") for place in ("results", "mot"))
    study = ["study.run", "tiny.py", "--results", results, "--data", data, "--train", train, "--val", val]
    environment = {**os.environ, **ELSEWHERE, "LOSS_WEIGHTING_CACHE": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    said = {}
    for arguments in ([*study, "--log", "tune"], ["analysis.report", results, "-o", "results/report.html"]):
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said |= {f"{arguments[0]} stdout": done.stdout.encode(), f"{arguments[0]} stderr": done.stderr.encode()}
    folder = open_folder(server.uri)
    left = {file.path: folder.read(file.path) or b"" for file in folder.files() if file.path.startswith("results/")}
    here = {str(path): path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()}
    assert any(path.endswith(".json") for path in left)  # the manifest, which says where the data were
    assert {Path(name).name for name in here} >= {"report.html", "result.json"}  # and logs
    for name, content in {**said, **left, **here}.items():
        for secret in (KEY, SECRET, *ELSEWHERE.values()):
            assert secret.encode() not in content, name
