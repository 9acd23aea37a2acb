import math
from dataclasses import replace

import pytest
from example_rows import make_row, make_trial
from outcomes import write_outcomes

from analysis.methods import COLUMNS, find_methods, methods
from study.results import ResultStore, load
from study.weighting import equal, famo, gradnorm, hwf, hwf_schedule, lwf


@pytest.fixture
def load_rows(tmp_path):
    """Writes rows of (weighting, [val MOTA of each seed, or a status]) and loads them."""

    return lambda *outcomes, **values: write_outcomes(tmp_path, outcomes, test_offset=None, **values)


def test_a_search_is_charged_for_all_its_trials_and_shows_what_it_chose(load_rows):
    table = methods(
        load_rows(
            (hwf.Config(loss_weights={"cls": 2}), [0.5, 0.6]),
            (hwf.Config(loss_weights={"cls": 3}), [0.7, 0.8]),
            (equal.Config(), [0.65, 0.66]),
            (lwf.Config(lr=1e-3), [0.2, 0.2]),
            (lwf.Config(lr=1e-2), [0.2, 0.1]),
            (lwf.Config(lr=1e-1), [0.9, "diverged"]),
            (lwf.Config(lr=1e-3, output="relu"), [0.0, 0.0]),
            device_seconds=100.0,
        )
    )
    assert tuple(table.columns) == COLUMNS
    assert table["method"].tolist() == ["hwf", "equal", "lwf output=sigmoid", "lwf output=relu"]
    assert table["chosen"].tolist() == ["cls=3", "", "lr=0.001", "lr=0.001"]
    assert table["val_mota"].tolist() == pytest.approx([0.75, 0.655, 0.2, 0.0])
    assert table["val_mota_sd"].tolist()[0] == pytest.approx(0.1 / math.sqrt(2))
    assert table["configurations"].tolist() == [2, 1, 3, 1]
    assert table["trials"].tolist() == [4, 2, 6, 2]
    assert table["seeds"].tolist() == [2, 2, 2, 2]
    assert table["device_seconds"].tolist() == [400, 200, 600, 200]
    assert table["weighting_status"].tolist() == [""] * 4


def test_a_method_of_which_nothing_completed_stands_last_without_figures(load_rows):
    table = methods(load_rows((equal.Config(), [0.1]), (lwf.Config(), ["diverged"]), weighting_status="collapsed"))
    assert table["method"].tolist() == ["equal", "lwf"]
    assert table["weighting_status"].tolist() == ["1 collapsed", "1 collapsed"]
    last = table.iloc[-1]
    assert math.isnan(last["val_mota"])
    assert last["seeds"] == 0
    assert last["trials"] == 1
    assert last["device_seconds"] > 0


def test_what_is_chosen_has_the_most_seeds_of_its_method_not_the_luckiest_one(load_rows):
    table = methods(
        load_rows(
            (hwf.Config(loss_weights={"cls": 1}), [0.9]),
            (hwf.Config(loss_weights={"cls": 2}), [0.6, 0.5, 0.7]),
            (hwf.Config(loss_weights={"cls": 3}), [0.8, "failed", 0.8]),
            (hwf.Config(loss_weights={"cls": 4}), [0.5, 0.6, 0.4]),
            device_seconds=100.0,
        )
    )
    assert table["chosen"].tolist() == ["cls=2"]
    assert table["seeds"].tolist() == [3]
    assert table["val_mota"].tolist() == pytest.approx([0.6])
    assert table["device_seconds"].tolist() == [1000]


def test_a_method_with_fewer_seeds_stands_below_those_with_more(load_rows):
    table = methods(
        load_rows(
            (lwf.Config(lr=1e-3), [0.95]),
            (hwf.Config(loss_weights={"cls": 1}), [0.6, 0.5]),
            (equal.Config(), [0.4, 0.5]),
            (famo.Config(), ["diverged"]),
        )
    )
    assert table["method"].tolist() == ["hwf", "equal", "lwf", "famo"]
    assert table["seeds"].tolist() == [2, 2, 1, 0]


def test_a_population_is_one_method_whatever_its_schedules(load_rows):
    schedules = [hwf_schedule.Config(stages=({"cls": 1.0}, {"cls": 1.0 + i})) for i in range(3)]
    table = methods(load_rows((schedules[0], [0.6, 0.5]), (schedules[1], [0.7]), (schedules[2], [0.1])))
    assert table["method"].tolist() == ["hwf_schedule"]
    assert table["configurations"].tolist() == [3]
    assert table["chosen"].tolist() == ['stages=[{"cls": 1.0}, {"cls": 1.0}]']


def test_what_a_study_searches_makes_no_method_of_its_own(tmp_path):
    store = ResultStore(tmp_path, "example")
    for alpha in (0.5, 1.5):
        for steps in (10, 20):
            point = {"weighting": gradnorm.Config(alpha=alpha), "train.steps_per_epoch": steps}
            trial = make_trial(point)
            suggested = {"weighting": "gradnorm", "weighting.alpha[gradnorm]": alpha, "train.steps_per_epoch": steps}
            searched = replace(trial, suggested=suggested)
            varying = ("weighting.alpha", "train.steps_per_epoch")
            store.write_trial(make_row(searched, alpha / 2 + steps / 1000, varying=varying))
    table = methods(load(tmp_path))
    assert table["method"].tolist() == ["gradnorm"]
    assert table["chosen"].tolist() == ["steps_per_epoch=20 alpha=1.5"]


def test_what_a_study_varies_beside_the_weighting_is_no_choice_of_weights(tmp_path):
    store = ResultStore(tmp_path, "example")
    varying = ("train.epochs", "weighting.loss_weights.cls")
    for epochs, mota in ((2, 0.4), (4, 0.5)):
        for cls in (1.0, 2.0):
            trial = make_trial({"train.epochs": epochs, "weighting.loss_weights": {"cls": cls}})
            store.write_trial(make_row(trial, mota + cls / 100, varying=varying))
    found = {method.title: method for method in find_methods(load(tmp_path))}
    assert found.keys() == {"hwf epochs=2", "hwf epochs=4"}
    for method in found.values():
        assert method.settings == "cls=2"
        assert (len(method.trials), method.device_seconds) == (2, 200)
