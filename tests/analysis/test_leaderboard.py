import math

import pytest
from example_rows import make_row, make_trial

from analysis.leaderboard import COLUMNS, leaderboard
from study.results import ResultStore, load
from study.weighting import hwf_schedule


@pytest.fixture
def load_rows(tmp_path):
    """Writes rows of {cls: [val MOTA of each seed, or a status]} and loads them."""

    def write_and_load(outcomes, **values):
        store = ResultStore(tmp_path, "example")
        for cls, seeds in outcomes.items():
            for seed, outcome in enumerate(seeds):
                mota = None if isinstance(outcome, str) else outcome
                status = {"status": outcome} if mota is None else {}
                trial = make_trial({"weighting.loss_weights": {"cls": cls}}, seed=seed)
                store.write_trial(make_row(trial, mota, **status, **values))
        return load(tmp_path)

    return write_and_load


def test_configurations_are_ranked_by_their_mean_validation_mota(load_rows):
    board = leaderboard(load_rows({1: [0.5, 0.7], 2: [0.8, 0.6], 3: [0.1, 0.2]}))
    assert tuple(board.columns) == COLUMNS
    assert board.index.tolist() == [1, 2, 3]
    assert board["configuration"].tolist() == ["cls=2", "cls=1", "cls=3"]
    assert board["val_mota"].tolist() == pytest.approx([0.7, 0.6, 0.15])
    assert board["val_mota_sd"].tolist() == pytest.approx([0.1 * math.sqrt(2)] * 2 + [0.05 * math.sqrt(2)])
    assert board["seeds"].tolist() == board["completed"].tolist() == [2, 2, 2]
    assert board["status"].tolist() == ["completed"] * 3
    assert board["test_mota"].isna().all()


def test_seeds_that_did_not_complete_are_counted_charged_and_rank_their_configuration_lower(load_rows):
    rows = load_rows({1: [0.5, 0.6, 0.7], 2: [0.9, "diverged", 0.9], 3: ["oom", "failed", "failed"]})
    board = leaderboard(rows)
    assert board["configuration"].tolist() == ["cls=1", "cls=2", "cls=3"]
    assert board["completed"].tolist() == [3, 2, 0]
    assert board["seeds"].tolist() == [3, 3, 3]
    assert board["val_mota"].tolist()[:2] == pytest.approx([0.6, 0.9])
    assert math.isnan(board["val_mota"].iloc[2])
    assert board["status"].tolist() == ["completed", "2 completed, 1 diverged", "2 failed, 1 oom"]
    assert board["device_seconds"].sum() == rows["device_seconds"].sum()


def test_a_metric_that_a_completed_seed_lacks_has_no_mean(load_rows):
    rows = load_rows({1: [0.5, 0.7]})
    rows.loc[0, "val_idf1"] = math.nan
    board = leaderboard(rows)
    assert board["val_mota"].iloc[0] == pytest.approx(0.6)
    assert math.isnan(board["val_idf1"].iloc[0])


def test_a_configuration_on_other_data_is_another_line(load_rows):
    rows = load_rows({1: [0.5, 0.7]})
    rows.loc[0, "data_hash"] = "f" * 16
    assert len(leaderboard(rows)) == 2


def test_one_configuration_is_called_by_its_weighting_and_none_gives_an_empty_board(load_rows):
    assert leaderboard(load_rows({1: [0.5]}))["configuration"].tolist() == ["hwf"]
    assert leaderboard(load_rows({}).head(0)).empty


def test_a_lucky_single_seed_ranks_below_configurations_that_completed_more(load_rows):
    outcomes = {1: [0.9], 2: [0.6, 0.5, 0.7], 3: [0.8, 0.7], 4: [0.4, 0.5, 0.4], 5: [0.95, "diverged", 0.95]}
    board = leaderboard(load_rows(outcomes))
    assert board["configuration"].tolist() == ["cls=2", "cls=4", "cls=3", "cls=1", "cls=5"]
    assert board["completed"].tolist() == [3, 3, 2, 1, 2]


def test_seeds_are_counted_study_by_study_and_imported_rows_by_those_of_the_study(load_rows, tmp_path):
    own = load_rows({1: [0.5, 0.6], 2: [0.7]})
    trial = make_trial({"weighting.loss_weights": {"cls": 4}})
    ResultStore(tmp_path, "other").write_trial(make_row(trial, 0.8))
    assert leaderboard(load(tmp_path))["configuration"].tolist() == ["cls=4", "cls=1", "cls=2"]
    for seed in range(3):
        past = make_trial({"weighting.loss_weights": {"cls": 5}}, seed=seed)
        ResultStore(tmp_path, "example").write_trial(make_row(past, 0.1) | {"imported_from": "past.csv"})
    single = make_trial({"weighting.loss_weights": {"cls": 6}})
    ResultStore(tmp_path, "example").write_trial(make_row(single, 0.9) | {"imported_from": "past.csv"})
    board = leaderboard(load(tmp_path / "example"))
    assert board["configuration"].tolist() == ["cls=1", "cls=5 (imported)", "cls=6 (imported)", "cls=2"]
    assert len(own) == 3


def test_schedules_of_a_population_have_short_names(tmp_path):
    store = ResultStore(tmp_path, "example")
    for i in range(3):
        stages = [{"cls": 0.123456789012345 + i, "reg": 1.2, "reid": 1.676543210987655}] * 4
        config = hwf_schedule.Config(stages=stages)
        trial = make_trial({"weighting": config})
        store.write_trial(make_row(trial, 0.5 + 0.1 * i, varying=("weighting.stages",)))
    names = leaderboard(load(tmp_path))["configuration"].tolist()
    assert len(set(names)) == 3
    assert names[0] == "stages=4, last cls=2.12 reg=1.2 reid=1.68"
    assert max(map(len, names)) <= 70
