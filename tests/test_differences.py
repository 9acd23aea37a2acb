import io
import re
from dataclasses import replace

import pytest
from example_rows import make_row, make_study
from rich.console import Console

from study.config import Train
from study.differences import why_new
from study.plan import make_plan
from study.results import ResultStore
from study.summary import show_plan

POINTS = [{"weighting.loss_weights.cls": cls} for cls in (0.5, 1, 2)]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def after(tmp_path, cache_dir):
    """Plans a study after trials of others were stored; gives what is said of the new ones in order, and the notes."""
    store = ResultStore(tmp_path, "example")

    def say(study, *befores, **values):
        for before in befores:
            plan = make_plan(before, store, cache_dir=cache_dir)
            for trial in plan.trials:
                store.write_trial(make_row(trial, 0.5, **{"data_hash": plan.splits.data_hash} | values))
        plan = make_plan(study, store, cache_dir=cache_dir)
        states, notes = why_new(plan, store.trials())
        return [states[trial.trial_id] for trial in plan.trials if trial.trial_id in states], notes

    return say


def test_without_rows_or_with_rows_of_the_same_search_only_a_trial_is_just_new(after):
    assert after(make_study(POINTS)) == (["new"] * 3, [])
    assert after(make_study(POINTS), make_study(POINTS[:1])) == (["new"] * 2, [])
    assert after(make_study(POINTS), make_study(POINTS)) == ([], [])


def test_a_changed_setting_is_named_and_the_earlier_trials_are_counted(after):
    wider = make_study([*POINTS, {"weighting.loss_weights.cls": 4}], seeds=(0, 1))
    changed = make_study(POINTS, train=Train(epochs=4, lr=1e-3), seeds=(0, 1))
    states, notes = after(changed, wider)
    assert states == ["new: train.lr 0.002 -> 0.001"] * 6
    assert notes == [
        "6 of 8 earlier trials are of other settings: train.lr 0.002 -> 0.001; they are kept, and not used"
    ]


def test_a_point_that_was_replaced_differs_in_what_varies_which_is_no_note(after):
    replaced = [*POINTS[:2], {"weighting.loss_weights.cls": 3}]
    assert after(make_study(replaced), make_study(POINTS)) == (["new: weighting.loss_weights.cls 2.0 -> 3.0"], [])


def test_another_seed_is_named_also_beside_another_setting(after):
    states, notes = after(make_study(POINTS[:1], seeds=(0, 2)), make_study(POINTS[:1]))
    assert (states, notes) == (["new: seed 2"], [])
    states, _ = after(make_study(POINTS[:1], seeds=(5,), train=Train(epochs=4, optimizer="adam")))
    assert states == ["new: train.optimizer adamw -> adam, seed 5"]


def test_the_nearest_trial_is_the_one_with_the_fewest_differences(after):
    far = make_study(train=Train(epochs=4, lr=1e-3, batch_size=8))
    near = make_study(train=Train(epochs=4, lr=1e-3))
    states, notes = after(make_study(train=Train(epochs=4, lr=5e-4)), far, near)
    assert states == ["new: train.lr 0.001 -> 0.0005"]
    assert len(notes) == 2


def test_other_data_are_told_by_their_hashes(tmp_path, cache_dir):
    store = ResultStore(tmp_path, "example")
    plan = make_plan(make_study(), store, cache_dir=cache_dir)
    (trial,) = plan.trials
    store.write_trial(make_row(replace(trial, trial_id="0" * 16), 0.5, data_hash="f" * 16))
    states, notes = why_new(plan, store.trials())
    difference = f"other data (hash ffffffff -> {plan.splits.data_hash[:8]})"
    assert states == {trial.trial_id: f"new: {difference}"}
    assert notes == [f"1 of 1 earlier trials are of {difference}; they are kept, and not used"]


def test_more_differences_than_can_be_told_make_a_trial_just_new(after):
    other = make_study(train=Train(epochs=9, lr=1e-3, batch_size=8, optimizer="adam"))
    states, notes = after(make_study(), other)
    assert states == ["new"]
    (note,) = notes
    told = "train.batch_size 8 -> 4, train.epochs 9 -> 4, train.lr 0.001 -> 0.002 and 1 more"
    assert note == f"1 of 1 earlier trials are of other settings: {told}; they are kept, and not used"


def test_a_setting_that_did_not_exist_before_is_named(tmp_path, cache_dir):
    store = ResultStore(tmp_path, "example")
    plan = make_plan(make_study(), store, cache_dir=cache_dir)
    (trial,) = plan.trials
    row = make_row(trial, 0.5, data_hash=plan.splits.data_hash)
    older = row["configuration"].replace('"final_lr_fraction": 0.02, ', "")
    store.write_trial(row | {"trial_id": "0" * 16, "configuration_id": "1" * 16, "configuration": older})
    states, notes = why_new(plan, store.trials())
    assert states == {trial.trial_id: "new: train.final_lr_fraction not set -> 0.02"}
    assert len(notes) == 1


def test_imported_rows_are_left_aside(tmp_path, cache_dir):
    store = ResultStore(tmp_path, "example")
    one, two = make_plan(make_study(seeds=(0, 1)), store, cache_dir=cache_dir).trials
    store.write_trial(make_row(one, 0.5) | {"imported_from": "runs.csv"})
    plan = make_plan(make_study(seeds=(1,)), store, cache_dir=cache_dir)
    assert why_new(plan, store.trials()) == ({two.trial_id: "new"}, [])


def test_the_plan_says_it_beside_each_trial_and_once_below(tmp_path, cache_dir):
    store = ResultStore(tmp_path, "example")
    before = make_plan(make_study(POINTS), store, cache_dir=cache_dir)
    for trial in before.trials:
        store.write_trial(make_row(trial, 0.5, data_hash=before.splits.data_hash))
    after = make_plan(make_study(POINTS, train=Train(epochs=4, lr=1e-3)), store, cache_dir=cache_dir)
    out = io.StringIO()
    show_plan(after, store, Console(file=out, width=160), every_trial=True)
    for trial in after.trials:
        assert re.search(rf"{trial.trial_id} +cls=\S+ seed=0 +new: train\.lr 0\.002 -> 0\.001 ", out.getvalue())
    assert "\n3 of 3 earlier trials are of other settings: train.lr 0.002 -> 0.001; they are" in out.getvalue()
