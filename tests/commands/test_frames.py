"""`python -m study.run frames`, and the strip of a report, which is made with it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_trials import configuration

from analysis.evidence import read_evidence
from analysis.page import Paragraph, Picture
from analysis.report import main as report
from analysis.strips import make_strip
from study.config import Execution, Study
from study.execute.attempt import run_attempt
from study.motfile import read_tracks
from study.plan import make_plan
from study.results import MODEL, ResultStore
from study.run import main
from study.weighting import equal, famo


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Two weightings trained for a second each, with their checkpoints."""
    folder, threads = tmp_path_factory.mktemp("frames"), torch.get_num_threads()
    base = configuration(equal.Config(), epochs=1, steps_per_epoch=3)
    parts = {part: getattr(base, part) for part in ("data", "tracker", "objective", "weighting", "train")}
    points = ({"weighting": equal.Config()}, {"weighting": famo.Config()})
    study = Study(name="tiny", description="a test", points=points, execution=Execution(gpus_per_worker=0), **parts)
    store = ResultStore(folder / "results", "tiny")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSS_WEIGHTING_CACHE", str(folder / "cache"))
        plan = make_plan(study, store, cache_dir=folder / "cache")
        store.write_manifest(plan.splits.data_hash, plan.splits.manifest, study.data.root)
        for trial in plan.trials:
            run_attempt(trial, plan, store, attempt=1, device=torch.device("cpu"))
    torch.set_num_threads(threads)
    return folder / "results"


@pytest.fixture(autouse=True)
def _cache(results, monkeypatch):
    monkeypatch.setenv("LOSS_WEIGHTING_CACHE", str(results.parent / "cache"))


def trial_ids(results) -> list[str]:
    return [row["trial_id"] for row in ResultStore(results, "tiny", create=False).trials()]


def test_frames_and_tracks_of_trials_lie_beside_the_annotations(results, tmp_path, capsys):
    names = trial_ids(results)
    assert main(["frames", *names, "--results", str(results), "-o", str(tmp_path / "look")]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in names)
    pictures = sorted((tmp_path / "look").glob("*.png"))
    assert pictures[0].stem == "000001"
    assert len(pictures) == 5
    truth = read_tracks(tmp_path / "look" / "ground_truth.txt")
    assert len(truth.ids) > 5
    height, width, _ = np.asarray(Image.open(pictures[0])).shape
    assert (truth.boxes_xyxy[:, 0] < width).all()
    assert (truth.boxes_xyxy[:, 1] < height).all()
    assert truth.frames.max() <= int(pictures[-1].stem)
    assert {path.stem for path in (tmp_path / "look").glob("*.txt")} == {"ground_truth", *names}


def test_a_trial_without_its_checkpoint_is_told(results, tmp_path, capsys):
    name = trial_ids(results)[0]
    kept = tmp_path / "results"
    shutil.copytree(results, kept)
    ResultStore(kept, "tiny").delete_checkpoint(name, MODEL)
    assert main(["frames", name, "--results", str(kept), "-o", str(tmp_path / "look")]) == 2
    assert f"trial {name}: its checkpoint was not kept" in capsys.readouterr().err


def test_a_report_shows_what_the_trackers_do(results, tmp_path):
    (group,) = read_evidence(results).groups()
    strip = make_strip(group)
    assert isinstance(strip, Picture)
    assert strip.png.startswith(b"\x89PNG")
    assert report([str(results), "-o", str(tmp_path / "with.html")]) == 0
    assert report([str(results), "--no-frames", "-o", str(tmp_path / "without.html")]) == 0
    assert "What the trackers do" in (tmp_path / "with.html").read_text()
    assert "What the trackers do" not in (tmp_path / "without.html").read_text()


def test_a_report_says_why_there_are_no_frames(results, tmp_path):
    kept = tmp_path / "results"
    shutil.copytree(results, kept)
    for name in trial_ids(kept):
        ResultStore(kept, "tiny").write_checkpoint(name, MODEL, b"damaged")
    (group,) = read_evidence(kept).groups()
    strip = make_strip(group)
    assert isinstance(strip, Paragraph)
    assert strip.text.startswith("No frames are drawn: ")
    assert "not a checkpoint of a trained tracker" in strip.text
    for name in trial_ids(kept):
        ResultStore(kept, "tiny").delete_checkpoint(name, MODEL)
    assert make_strip(read_evidence(kept).groups()[0]) is None
