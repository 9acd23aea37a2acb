"""Trained trackers as files: the same tracks come out, and foreign files are told, not executed."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from study.checkpoint import load_model, model_bytes
from study.config import Configuration, Data
from study.data import BoxStatistics
from study.errors import UserError
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
from study.tracker.chaining import Chaining
from study.tracking import track_frames
from study.weighting import hwf

CPU = torch.device("cpu")
EVERYTHING = Chaining(start_score=0.0, keep_score=0.0)
SMALL = chained.Config(
    width=8, fpn_channels=16, tower_channels=16, tower_depth=1, levels=(4,), candidate_score=0.0, association=EVERYTHING
)


def configuration(tracker=SMALL) -> Configuration:
    data = Data(root="/of/this/machine", image_size=(64, 48))
    return Configuration(data=data, tracker=tracker, objective=CLS_REG_REID, weighting=hwf.Config())


def untrained(config: Configuration, seed=0):
    """A tracker that finds something everywhere, with parameters that no initialisation gives."""
    torch.manual_seed(seed)
    statistics = BoxStatistics(np.array([11.0, 13.0]), np.array([30.0, 34.0]), 2)
    tracker = config.tracker.build(config.objective, statistics).eval()
    with torch.no_grad():
        for parameter in tracker.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return tracker


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(model_bytes(configuration(), untrained(configuration()).state_dict()))
    return path


def tracked(tracker):
    frames = np.random.default_rng(0).integers(0, 255, (5, 48, 64, 3), dtype=np.uint8)
    tracks, candidates = track_frames(tracker, frames, (640, 480), CPU)
    return tracks.frames, tracks.ids, tracks.boxes_xyxy, tracks.scores, candidates.boxes_xyxy, candidates.scores


def test_a_loaded_tracker_gives_the_same_tracks(model):
    loaded_configuration, loaded = load_model(model)
    before = tracked(untrained(configuration()))
    assert len(before[0]) > 10
    for expected, found in zip(before, tracked(loaded), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not loaded.training
    assert loaded_configuration.configuration_id == configuration().configuration_id
    assert loaded_configuration.data.image_size == (64, 48)
    assert not np.array_equal(tracked(untrained(configuration(), seed=1))[2], before[2])


def test_anchor_shapes_come_from_the_file_and_not_from_statistics(model):
    _, loaded = load_model(model)
    assert loaded.anchor_shapes.tolist() == [[12, 32]]


def test_where_the_data_lay_is_not_in_the_file(model):
    assert b"/of/this/machine" not in model.read_bytes()


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pt: no such checkpoint$"):
        load_model(tmp_path / "gone.pt")


class _Executes:
    """Unpickling an instance makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_not_executed(tmp_path):
    harmless = tmp_path / "executed"
    pickle.loads(pickle.dumps(_Executes(harmless)))
    assert harmless.exists()
    for number, write in enumerate((torch.save, lambda content, path: path.write_bytes(pickle.dumps(content)))):
        made, path = tmp_path / f"made{number}", tmp_path / f"code{number}.pt"
        write({"format": 1, "configuration": "{}", "tracker": _Executes(made)}, path)
        with pytest.raises(UserError, match="not a checkpoint of a trained tracker"):
            load_model(path)
        assert not made.exists()


def test_files_that_are_no_checkpoint(tmp_path, model):
    text, empty, damaged = tmp_path / "text.pt", tmp_path / "empty.pt", tmp_path / "damaged.pt"
    text.write_text("no checkpoint")
    empty.write_bytes(b"")
    damaged.write_bytes(model.read_bytes()[:-2000])
    for path in (text, empty, damaged, tmp_path):
        with pytest.raises(UserError, match="not a checkpoint of a trained tracker") as caught:
            load_model(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"conv1.weight": torch.zeros(1)},
        [torch.zeros(1)],
        {"epoch": 3, "tracker": {}, "optimizer": {}},  # the state of an unfinished trial
        {"format": 2, "configuration": "{}", "tracker": {}},
    ],
)
def test_another_kind_of_file(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match=r"expected a trained tracker .* format 1.*, found another kind of file"):
        load_model(path)


def test_parameters_of_another_architecture(tmp_path):
    path = tmp_path / "model.pt"
    wider = configuration(SMALL.model_copy(update={"tower_channels": 32}))
    path.write_bytes(model_bytes(wider, untrained(configuration()).state_dict()))
    with pytest.raises(UserError, match=r"model\.pt: parameters of another architecture .*\(size mismatch"):
        load_model(path)


def test_a_configuration_that_this_version_does_not_know(tmp_path, model):
    content = torch.load(model, weights_only=True)
    for old, new, message in (
        ('"kind": "chained"', '"kind": "their_tracker"', "tracker: kind: no module 'their_tracker'"),
        ('"tower_depth"', '"tower_dept"', "tracker: unknown key 'tower_dept'; did you mean 'tower_depth'"),
    ):
        path = tmp_path / "changed.pt"
        torch.save(content | {"configuration": content["configuration"].replace(old, new)}, path)
        with pytest.raises(UserError, match=message) as caught:
            load_model(path)
        assert str(caught.value).startswith(f"{path}: ")
