import struct

import pytest
from example_rows import make_row, make_trial
from matplotlib.text import Text

from analysis.figures.cost import cost_vs_accuracy
from analysis.figures.style import save
from study.errors import UserError
from study.results import ResultStore, load


@pytest.fixture
def trials(tmp_path):
    store = ResultStore(tmp_path, "example")
    for i, cls in enumerate((0.5, 1, 2)):
        for seed in (0, 1):
            trial = make_trial({"weighting.loss_weights": {"cls": cls}}, seed=seed)
            store.write_trial(make_row(trial, 0.5 + 0.1 * i + 0.01 * seed, device_seconds=100.0 + i))
    return load(tmp_path)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_point_a_configuration_and_a_star_at_the_cost_of_the_whole_search(trials):
    mota, idf1, key = cost_vs_accuracy(trials).axes
    for axes, best in ((mota, 0.705), (idf1, 0.655)):
        (star,) = (line for line in axes.lines if line.get_marker() == "*")
        assert star.get_xydata()[0] == pytest.approx([606, best])
        (points,) = (line for line in axes.lines if line.get_marker() == "o")
        assert sorted(points.get_xdata()) == pytest.approx([100, 101, 102])
        assert texts(axes) == ["hwf search: 6 trials, 606 device-seconds", "1", "2", "3"]
        assert axes.get_xlim()[0] == 0
    assert mota.get_ylabel() == "validation MOTA"
    assert "cls=2" in texts(key)
    assert "MOTA 0.705 ± 0.007, IDF1 0.655" in texts(key)


def test_a_collapsed_run_does_not_flatten_the_others(trials):
    trials.loc[0, "val_mota"] = -2.8
    mota, idf1, _ = cost_vs_accuracy(trials).axes
    assert mota.get_ylim()[0] > 0.4
    assert "below: 1 of 6 completed trials, down to -2.80" in texts(mota)
    assert not [text for text in texts(idf1) if text.startswith("below")]


def test_failed_trials_are_paid_for_and_named(trials):
    trials.loc[trials["seed"] == 1, "status"] = "failed"
    mota, _, key = (figure := cost_vs_accuracy(trials)).axes
    (star,) = (line for line in mota.lines if line.get_marker() == "*")
    assert star.get_xdata()[0] == pytest.approx(606)
    assert figure.get_suptitle() == "example: 3 configurations, 6 trials, 3 of them not completed"
    assert any("1 completed, 1 failed" in text for text in texts(key))


def test_trials_that_ended_early_are_paid_for_and_counted_but_not_listed(trials):
    trials.loc[trials["weighting.loss_weights.cls"] == 0.5, "status"] = "pruned"
    mota, _, key = (figure := cost_vs_accuracy(trials)).axes
    assert figure.get_suptitle() == "example: 3 configurations, 6 trials, 2 of them ended early"
    (star,) = (line for line in mota.lines if line.get_marker() == "*")
    assert star.get_xydata()[0] == pytest.approx([606, 0.705])
    assert [text for text in texts(key) if text.startswith("cls")] == ["cls=2", "cls=1"]
    trials.loc[trials["weighting.loss_weights.cls"] == 1, "status"] = "failed"
    told = "example: 3 configurations, 6 trials, 2 of them ended early, 2 not completed"
    assert cost_vs_accuracy(trials).get_suptitle() == told


def test_long_names_are_shortened(trials):
    trials["weighting.note"] = ["a very long name of a setting " * 3 + str(i // 2) for i in range(6)]
    *_, key = cost_vs_accuracy(trials).axes
    names = [text for text in texts(key) if "note" in text or text.endswith("…")]
    assert len(names) == 3
    assert all(len(text) == 56 and text.endswith("…") for text in names)


def test_every_search_has_its_own_cost_and_a_single_configuration_is_no_search(trials):
    trials.loc[trials["weighting.loss_weights.cls"] == 2, "weighting"] = "learned"
    mota, *_ = cost_vs_accuracy(trials).axes
    stars = [line.get_xydata()[0] for line in mota.lines if line.get_marker() == "*"]
    assert len(stars) == 1
    assert stars[0] == pytest.approx([402, 0.605])


def test_a_search_is_among_trials_that_differ_in_the_weighting_alone(tmp_path):
    store = ResultStore(tmp_path / "other", "example")
    for epochs in (2, 3):
        trial = make_trial({"train.epochs": epochs})
        store.write_trial(make_row(trial, 0.5, device_seconds=100.0, varying=("train.epochs",)))
    mota, *_ = cost_vs_accuracy(load(tmp_path / "other")).axes
    assert not [line for line in mota.lines if line.get_marker() == "*"]


def test_numbers_beside_points_do_not_cover_each_other(trials):
    trials["val_mota"] = 0.5
    figure = cost_vs_accuracy(trials)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts if len(text.get_text()) == 1]
    assert len(boxes) == 3
    assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])


@pytest.mark.parametrize("rows", [0, 1, 6])
def test_any_outcome_gives_a_picture(trials, tmp_path, rows):
    trials.loc[rows:, "status"] = "failed"
    trials.loc[rows:, ["val_mota", "val_idf1"]] = float("nan")
    path = tmp_path / "picture.png"
    save(cost_vs_accuracy(trials), path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1950, 750)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ""] == ["picture.png"]


def test_a_picture_that_cannot_be_written_is_the_users_mistake(trials, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/picture\.png"):
        save(cost_vs_accuracy(trials), tmp_path / "file" / "picture.png")
