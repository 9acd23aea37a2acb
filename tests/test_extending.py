"""docs/extending.md: its code is that of `examples/`, and a study made of it is checked, hashed, trained and used."""

import json
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from study.checkpoint import load_model, model_bytes
from study.config import Configuration, Study, set_keys
from study.data import BoxStatistics, read_splits
from study.errors import UserError
from study.frozen import validate
from study.plan import make_plan
from study.provenance import code_hash
from study.results import ResultStore
from study.studies import load_study
from study.tracking import track_frames
from study.train import train_trial
from study.weighting import dtp

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CPU = torch.device("cpu")


@pytest.fixture
def user_code(monkeypatch):
    """The study file's folder is on the import path only as long as a test lasts."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("my_tracking", "my_study")]:
        del sys.modules[name]


@pytest.fixture
def study(user_code) -> Study:  # noqa: ARG001
    tiny = {
        "data.root": "synthetic:tiny",
        "data.image_size": (96, 64),
        "tracker.width": 8,
        "tracker.depth": 1,
        "train": {"epochs": 2, "steps_per_epoch": 3, "batch_size": 2, "log_every": 1, "warmup_steps": 1},
    }
    base = load_study(str(EXAMPLES / "my_study.py"))
    return validate(Study, set_keys(base.model_dump(), tiny, "test"), "test")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def train(configuration, cache_dir, resume=None):
    splits = read_splits(configuration.data, cache_dir)
    return train_trial(configuration, 0, splits, cache_dir=cache_dir, device=CPU, resume=resume)


def loss_weights(results, task):
    return [row["loss_weight"] for result in results for row in result.steps if row["task"] == task]


def test_the_document_shows_the_files_as_they_are():
    text = (ROOT / "docs" / "extending.md").read_text()
    blocks = re.findall(r"`(examples/\S+\.py)`:\n\n```python\n(.*?)```\n", text, re.DOTALL)
    assert len(blocks) == text.count("```python") == 4
    for path, code in blocks:
        assert code == (ROOT / path).read_text(), f"docs/extending.md shows another {path} than there is"
    shown = {ROOT / path for path, _ in blocks}
    assert shown == {path for path in EXAMPLES.rglob("*.py") if path.name != "__init__.py"}


def test_configurations_of_foreign_parts_go_through_plain_values(study):
    configurations = study.configurations()
    assert len({c.configuration_id for c in configurations}) == 3
    for configuration in configurations:
        plain = json.loads(json.dumps(configuration.resolved()))
        assert plain["tracker"]["kind"] == "my_tracking.early_fusion"
        assert [loss["kind"] for loss in plain["objective"]["task_losses"]][2] == "my_tracking.giou"
        again = validate(Configuration, plain, "file")
        assert again.configuration_id == configuration.configuration_id
        assert again.tracker == configuration.tracker
        assert again.weighting == configuration.weighting
        assert len(code_hash(again)) == 16
    assert configurations[1].resolved()["weighting"] == {
        "kind": "my_tracking.warm_in",
        "late": ["reid"],
        "steps": 300,
    }


def test_foreign_parts_by_the_text_of_the_command_line(study):
    values = {"tracker.kind": "chained", "weighting.kind": "my_tracking.warm_in", "weighting.steps": 5}
    changed = validate(Study, set_keys(study.model_dump(), values, "--set"), "--set")
    assert changed.tracker.model_dump()["kind"] == "chained"
    assert changed.weighting.steps == 5
    with pytest.raises(UserError, match="--set: weighting: unknown key 'step'; did you mean 'steps'"):
        validate(Study, set_keys(study.model_dump(), values | {"weighting.step": 5}, "--set"), "--set")


def test_every_configuration_trains(study, cache_dir):
    for configuration in study.configurations():
        *epochs, final = train(configuration, cache_dir)
        assert {row["task"] for row in epochs[0].steps} == {"cls", "reg", "giou", "reid"}
        assert all(0 < row["loss"] < 10 for row in epochs[0].steps)
        assert {"val_mota", "val_idf1", "test_mota"} <= set(final.metrics)
        assert final.num_parameters > 1000


def test_the_weighting_warms_in_and_resumes_where_it_was(study, cache_dir):
    values = {"weighting.steps": 5, "weighting.late": ["reid", "giou"]}
    (configuration,) = [
        validate(Configuration, set_keys(c.model_dump(), values, "x"), "x") for c in study.configurations()[1:2]
    ]
    *whole, _ = train(configuration, cache_dir)
    ramp = [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    assert loss_weights(whole, "reid") == pytest.approx(ramp)
    assert loss_weights(whole, "giou") == pytest.approx(ramp)
    assert loss_weights(whole, "cls") == [1.0] * 6
    state = next(islice(train(configuration, cache_dir), 1)).state()
    *rest, _ = train(configuration, cache_dir, resume=state)
    assert loss_weights(rest, "reid") == pytest.approx(ramp[3:])
    assert rest[0].steps == whole[1].steps


@pytest.mark.usefixtures("user_code")
def test_giou_is_right_on_known_boxes(study):
    loss = study.objective.task_losses[2].build()
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    moved = torch.zeros(2, 3, 8)
    moved[0, :, 0] = 10.0  # a whole anchor's width to the right, as offsets are divided by 0.1
    targets = {"reg": torch.zeros(2, 3, 8), "cls": torch.tensor([[1, 0, -1], [0, 0, 0]])}
    predictions = {"reg": moved.requires_grad_(), "anchors": anchors}
    losses = loss(predictions, targets)
    assert losses.tolist() == pytest.approx([1.0, 0.0])  # side by side: no overlap, no gap in the hull
    losses.sum().backward()
    assert moved.grad[0, 0, 0] > 0
    assert moved.grad[0, 1:].abs().sum() == moved.grad[1].abs().sum() == 0


def test_a_checkpoint_of_the_tracker_gives_the_same_tracks(study, cache_dir, tmp_path):
    thresholds = ("candidate_score", "association.start_score", "association.keep_score")
    eager = {f"tracker.{threshold}": 0.0 for threshold in thresholds}
    first = study.configurations()[0]
    configuration = validate(Configuration, set_keys(first.model_dump(), eager, "x"), "x")
    *_, final = train(configuration, cache_dir)
    path = tmp_path / "model.pt"
    path.write_bytes(model_bytes(configuration, final.state()))
    tracker = configuration.tracker.build(configuration.objective, BoxStatistics(np.ones(2), np.ones(2), 1))
    tracker.load_state_dict(final.state())
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 96, 3), dtype=np.uint8)
    before, after = (track_frames(t, frames, (96, 64), CPU)[0] for t in (tracker.eval(), load_model(path)[1]))
    assert len(before.frames) > 4
    np.testing.assert_array_equal(after.boxes_xyxy, before.boxes_xyxy)
    np.testing.assert_array_equal(after.ids, before.ids)


def test_mistakes_are_told(study, tmp_path):
    weighting = study.configurations()[1].weighting
    with pytest.raises(UserError, match=r"weighting\.late: no task 'reid' in the objective; did you mean 'reg'"):
        weighting.build(["cls", "reg"])
    judged = study.model_copy(update={"points": ({"weighting": dtp.Config()},)})
    with pytest.raises(UserError, match=r"points\[0\]: weighting dtp looks at .*, and task loss 'giou' has none"):
        make_plan(judged, ResultStore(tmp_path, judged.name), cache_dir=tmp_path / "cache")


def test_the_study_file_runs_from_the_command_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "study.run",
        "examples/my_study.py",
        "--dry-run",
        "--results",
        tmp_path / "results",
    ]
    command += ["--set", "data.root=synthetic:tiny", "--set", "tracker.width=8"]
    environment = {**os.environ, "LOSS_WEIGHTING_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "my_tracking.warm_in" in done.stdout
