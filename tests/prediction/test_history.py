import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from example_rows import make_entry, make_measured_row
from short_trials import EXECUTION, tiny_study

from study.plan import make_plan
from study.prediction.conditions import find_conditions
from study.prediction.history import History, _beside, _Span
from study.prediction.kinds import kind_of
from study.prediction.work import Frames, Work
from study.results import ResultStore

LATER = datetime(2026, 5, 1, tzinfo=UTC)
POINTS = [{"weighting.loss_weights": {"cls": 0.5 * i}} for i in range(1, 8)]


def history_of(*stores, splits, trials=1, execution=EXECUTION):
    conditions = replace(find_conditions(execution, trials), beside=trials)  # however few cores there are
    history = History(conditions, splits.data_hash, Frames.of(splits.manifest))
    for store in stores:
        history.read(store)
    return history


@pytest.fixture
def planned(tmp_path, cache_dir, splits):
    """A store, seven trials of one kind, and the history that its rows make."""
    store = ResultStore(tmp_path, "tiny")
    trials = make_plan(tiny_study(POINTS), store, cache_dir=cache_dir).trials
    kind = kind_of(trials[0].configuration.resolved())
    return SimpleNamespace(
        store=store, trials=trials, kind=kind, history=lambda **options: history_of(store, splits=splits, **options)
    )


def row(trial, splits, hours=0.0, **values):
    return make_measured_row(trial, splits.data_hash, **({"ended_at": LATER + timedelta(hours=hours)} | values))


def test_real_trials_cost_what_their_unit_costs_say(ran, splits):
    history = history_of(ran.store, splits=splits)
    resolved = ran.plan.trials[0].configuration.resolved()
    costs = history.costs(kind_of(resolved), ran.plan.trials[0].configuration_id)
    assert costs.basis == "2 completed trials of the same configuration"
    held = [row["device_seconds"] for row in ran.rows.values()]
    assert costs.device_seconds(Work.of(resolved, Frames.of(splits.manifest))) == pytest.approx(sum(held) / 2)


def test_costs_are_told_for_a_step_a_frame_and_an_epoch(planned, splits):
    planned.store.write_trial(row(planned.trials[0], splits, train=36.0, evaluation=30.0, startup=2.0, overhead=6.0))
    costs = planned.history().costs(planned.kind)
    frames = Frames.of(splits.manifest)
    assert costs.step_seconds == pytest.approx(36 / (3 * 6))
    assert costs.overhead_seconds_per_epoch == pytest.approx(6 / 3)
    assert costs.startup_seconds == pytest.approx(2)
    assert costs.eval_seconds_per_frame == pytest.approx(30 / (2 * frames.val + frames.test))
    assert (costs.devices, costs.model_bytes, costs.state_bytes) == (1, 4000, 12000)


def test_medians_are_taken_and_the_same_configuration_comes_first(planned, splits):
    for i, train in enumerate((18.0, 36.0, 180.0)):
        planned.store.write_trial(row(planned.trials[i], splits, hours=i, train=train))
    history = planned.history()
    assert history.costs(planned.kind).step_seconds == pytest.approx(2)
    same = history.costs(planned.kind, planned.trials[2].configuration_id)
    assert (same.step_seconds, same.basis) == (pytest.approx(10), "a completed trial of the same configuration")
    new = history.costs(planned.kind, planned.trials[3].configuration_id)
    assert new.step_seconds == pytest.approx(2)
    assert new.basis == "3 completed trials with the same kind of weighting and tracker"


def test_of_many_trials_the_newest_count(planned, splits, cache_dir):
    trials = make_plan(tiny_study(seeds=range(20)), planned.store, cache_dir=cache_dir).trials
    for i, trial in enumerate(trials):
        planned.store.write_trial(row(trial, splits, hours=i, train=18.0 * (i + 1)))
    assert planned.history().costs(planned.kind).step_seconds == pytest.approx((12 + 13) / 2)


@pytest.mark.parametrize(
    "values",
    [
        {"imported_from": "past.csv"},
        {"status": "failed"},
        {"status": "pruned"},
        {"device_name": "another processor"},
        {"workers": 2},
        {"data_hash": "f" * 16},  # of a length that nobody knows
    ],
)
def test_rows_that_say_nothing_about_these_trials_do_not_count(values, planned, splits):
    planned.store.write_trial(row(planned.trials[0], splits) | values)
    history = planned.history()
    assert (history.kinds, history.configurations, history.group_seconds) == ((), {}, None)


def test_trials_that_ran_beside_as_many_others_count_before_those_that_did_not(planned, splits):
    one, two, alone, imported, *_ = planned.trials
    planned.store.write_trial(row(one, splits, train=18.0))
    planned.store.write_trial(row(two, splits, train=18.0))
    planned.store.write_trial(row(alone, splits, hours=5, train=9.0))
    planned.store.write_trial(row(imported, splits, hours=5) | {"imported_from": "past.csv"})
    paired, single = planned.history(trials=2), planned.history(trials=1)
    assert paired.costs(planned.kind).step_seconds == pytest.approx(1)
    assert single.costs(planned.kind).step_seconds == pytest.approx(0.5)
    (planned.store.folder / "trials").delete(f"{alone.trial_id}.parquet")
    costs = planned.history(trials=1).costs(planned.kind)
    assert costs.step_seconds == pytest.approx(1)
    assert costs.basis.endswith("weighting and tracker, 2 at a time instead of 1")


def test_trials_on_other_data_count_if_nothing_ran_on_these(planned, splits, tmp_path):
    other = ResultStore(tmp_path, "other")
    frames = {"train": [{"first": 1, "last": 12}], "val": [{"first": 1, "last": 10}], "test": []}
    other.write_manifest("a" * 16, frames, "/of/other/data")
    other.write_trial(row(planned.trials[0], splits, evaluation=10.0) | {"data_hash": "a" * 16})
    history = history_of(planned.store, other, splits=splits)
    costs = history.costs(planned.kind)
    assert costs.eval_seconds_per_frame == pytest.approx(10 / 20)
    assert costs.basis.endswith("on other data")
    other.write_trial(row(planned.trials[1], splits, hours=5, evaluation=30.0))
    costs = history_of(planned.store, other, splits=splits).costs(planned.kind, planned.trials[0].configuration_id)
    assert costs.basis == "a completed trial with the same kind of weighting and tracker"


def test_a_worker_group_costs_its_start_and_its_waiting(planned, splits):
    planned.store.write_trial(row(planned.trials[0], splits))

    def entry(group, kind, held, **values):
        blank = make_entry(None, entry_id=f"{group}-{kind}", group_id=group, kind=kind, devices=1.0, held_seconds=held)
        planned.store.write_ledger(blank | values)

    for group, start, waiting in (("a", 5.0, 1.0), ("b", 7.0, 3.0)):
        entry(group, "startup", start)
        entry(group, "idle", waiting)
    entry("lost", "startup", 100.0, status="lost")
    entry("larger", "startup", 100.0, devices=2.0)
    assert planned.history().group_seconds == pytest.approx((6 + 10) / 2)


def test_trials_are_counted_at_every_moment_of_those_on_their_machine():
    draw = random.Random(0)
    spans = []
    for _ in range(300):
        begin = 1.7e9 + draw.uniform(0, 2000)
        spans.append(_Span(draw.choice("ab"), begin, begin + draw.choice((0.0, 1.0, draw.uniform(0, 200)))))
    expected = []
    for one in spans:
        others = [other for other in spans if other.hostname == one.hostname]
        shared = sum(max(0.0, min(one.end, other.end) - max(one.begin, other.begin)) for other in others)
        expected.append(round(shared / (one.end - one.begin)) if one.end > one.begin else 1)
    assert max(expected) > 5
    assert _beside(spans) == expected
