"""Which seeds judge a configuration that a search chose."""

from dataclasses import replace

import pytest
from example_rows import make_row, make_trial

from analysis.leaderboard import leaderboard
from analysis.methods import methods
from analysis.seeds import judging
from study.results import ResultStore, load


@pytest.fixture
def load_search(tmp_path):
    """Writes rows of {cls: {seed: val MOTA or a status}}, suggested by a search, and loads them."""

    def write_and_load(outcomes, *, by_search=True):
        store = ResultStore(tmp_path, "example")
        for cls, seeds in outcomes.items():
            for seed, outcome in seeds.items():
                mota, status = (None, {"status": outcome}) if isinstance(outcome, str) else (outcome, {})
                trial = make_trial({"weighting.loss_weights": {"cls": cls}}, seed=seed)
                suggested = {"weighting.loss_weights.cls": cls} if by_search else None
                store.write_trial(make_row(replace(trial, suggested=suggested), mota, **status))
        return load(tmp_path)

    return write_and_load


def judged_seeds(rows):
    kept = rows[judging(rows)]
    return sorted(zip(kept["weighting.loss_weights.cls"], kept["seed"], strict=True))


def test_the_seed_that_chose_does_not_judge(load_search):
    rows = load_search({1: {5: 0.3}, 2: {5: 0.9, 1: 0.5, 2: 0.6}, 3: {5: 0.8, 1: 0.7, 2: 0.6}})
    assert judged_seeds(rows) == [(1, 5), (2, 1), (2, 2), (3, 1), (3, 2)]
    board = leaderboard(rows)
    assert board["configuration"].tolist() == ["cls=3", "cls=2", "cls=1"]
    assert board["val_mota"].tolist() == pytest.approx([0.65, 0.55, 0.3])
    assert (board["seeds"].tolist(), board["completed"].tolist(), board["judged"].tolist()) == (
        [3, 3, 1],
        [3, 3, 1],
        [2, 2, 1],
    )
    assert board["device_seconds"].sum() == rows["device_seconds"].sum()
    (line,) = methods(rows).to_dict("records")
    assert (line["chosen"], line["seeds"], line["judged"]) == ("cls=3", 3, 2)
    assert line["val_mota"] == pytest.approx(0.65)


def test_until_another_seed_has_completed_the_first_one_judges(load_search):
    rows = load_search({1: {0: 0.3}, 2: {0: 0.9, 1: "interrupted"}, 3: {0: 0.8, 1: 0.7}})
    assert judged_seeds(rows) == [(1, 0), (2, 0), (3, 1)]


def test_suggestions_that_were_stopped_early_show_which_seed_chose(load_search):
    rows = load_search({1: {0: "pruned"}, 2: {0: 0.9, 1: 0.5, 2: 0.6}, 3: {0: 0.8, 1: 0.7, 2: 0.6}})
    assert judged_seeds(rows) == [(2, 1), (2, 2), (3, 1), (3, 2)]


def test_where_all_suggestions_ran_under_all_seeds_nothing_was_chosen(load_search):
    rows = load_search({1: {0: 0.3, 1: 0.4}, 2: {0: 0.9, 1: 0.5}})
    assert judging(rows).all()


def test_all_seeds_judge_what_no_search_suggested(load_search):
    rows = load_search({1: {0: 0.3}, 2: {0: 0.9, 1: 0.5}}, by_search=False)
    assert judging(rows).all()


def test_stopped_trials_judge_nothing(load_search):
    assert judged_seeds(load_search({1: {0: "pruned"}, 2: {0: 0.5}})) == [(2, 0)]
