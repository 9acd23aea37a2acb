"""What is said of cost, before and after."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from example_rows import make_entry, make_measured_row, make_study, make_trial

from study.capacity import Capacity
from study.config import Execution
from study.forecast import outcome_line, plan_lines, trial_cells, with_probes
from study.plan import make_plan
from study.prediction import expect, predict
from study.results import ResultStore
from study.search_config import Search
from study.space import Simplex

LATER = datetime(2026, 5, 1, tzinfo=UTC)
POINTS = [{"weighting.loss_weights": {"cls": 1.0 * i}} for i in range(1, 5)]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def planned(tmp_path, cache_dir, monkeypatch):
    """A store in which a trial cost 100 device-seconds, and a function that plans a study against it."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    store = ResultStore(tmp_path, "example")

    def plan(points=POINTS, search=None, **execution):
        study = make_study(points, search=search, execution=Execution(**({"gpus_per_worker": 0} | execution)))
        found = make_plan(study, store, cache_dir=cache_dir)
        predictor = found.predictions.predictor
        if predictor.conditions.capacity is None:
            return found
        # Two trials at a time, whatever this machine has.
        capacity = Capacity(slots=2, workers=1, cpus_per_worker=1, gpus_per_worker=0.0)
        predictor = replace(predictor, conditions=replace(predictor.conditions, capacity=capacity, beside=2))
        known = predict(predictor, found.trials, found.missing, {})
        return replace(found, predictions=expect(known, found.predictions.ahead))

    first = plan().trials[0]
    store.write_trial(make_measured_row(first, plan().splits.data_hash) | {"ended_at": LATER})
    store.write_ledger(make_entry(first, devices=1.0, held_seconds=100.0))
    store.write_ledger(make_entry(None, entry_id="g-startup", kind="startup", devices=1.0, held_seconds=8.0))
    return store, plan


def test_cost_is_told_in_device_seconds_hours_money_time_and_disk(planned):
    _, plan = planned
    made = plan(price_per_device_hour=2.5)
    cost, rest, basis = plan_lines(made.predictions)
    assert cost == (
        "predicted cost: 316 device-seconds (5m16s), 16 of them to start worker groups; "
        "cost 0.22 at 2.5 per device-hour"
    )
    assert rest.startswith("predicted time and disk: 3m28s with 2 at a time, ")
    assert rest.endswith(" kB and 48.0 kB more while trials run")
    assert basis.startswith("prediction rests on a completed trial with the same kind of weighting and tracker")
    assert trial_cells(made.predictions, made.missing[0].trial_id)[0] == "100"
    assert "cost" not in plan_lines(plan().predictions)[0].removeprefix("predicted cost")


def test_what_is_unknown_is_said_to_be(planned):
    _, plan = planned
    made = plan([*POINTS, {"weighting": {"kind": "lwf"}}])
    assert plan_lines(made.predictions)[0] == (
        "predicted cost: 316 device-seconds (5m16s) for 3 trials, 16 of them to start worker groups; 1 trial unknown "
        "(no trial of its kind has run here; --dry-run probes it)"
    )
    assert trial_cells(made.predictions, made.trials[-1].trial_id) == ("unknown", "unknown")
    nothing = plan([{"weighting": {"kind": "lwf"}}])
    assert plan_lines(nothing.predictions) == [
        "predicted cost: unknown (no trial of its kind has run here; --dry-run probes it)"
    ]


def test_nothing_is_probed_where_all_is_known_or_a_probe_would_say_nothing(planned, monkeypatch):
    _, plan = planned
    lines = []
    known = plan()
    assert with_probes(known, lines.append) is known
    too_large = plan([{"weighting": {"kind": "lwf"}}], cpus_per_worker=9999)
    assert with_probes(too_large, lines.append) is too_large
    assert plan_lines(too_large.predictions) == [
        "predicted cost: unknown (until a trial has run: no trial fits on this machine)"
    ]
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    cluster = plan()
    assert with_probes(cluster, lines.append) is cluster
    assert plan_lines(cluster.predictions)[0] == "predicted cost: 300 device-seconds (5m00s)"
    assert lines == []


def test_predicted_and_actual_are_compared_for_what_this_run_held(planned):
    store, plan = planned
    made = plan(price_per_device_hour=36)
    before = store.ledger()
    for trial in made.missing:
        store.write_ledger(make_entry(trial, devices=1.0, held_seconds=110.0))
    store.write_ledger(
        make_entry(
            None,
            entry_id="h-startup",
            kind="startup",
            devices=1.0,
            held_seconds=20.0,
            train_seconds=0.0,
            eval_seconds=0.0,
        )
    )
    assert outcome_line(made, before, store.ledger()) == (
        "3 trials of this run: predicted 300 device-seconds, actual 330 (+10 %); "
        "with worker groups: predicted 316 device-seconds, actual 350 (+11 %); cost 3.50 at 36 per device-hour"
    )


def test_what_a_search_suggested_on_the_way_counts_as_well(planned):
    store, plan = planned
    made = plan(
        [{}], search=Search(space={"weighting.loss_weights": Simplex()}, sampler="random", num_configurations=3)
    )
    before = store.ledger()
    assert made.missing == ()
    for weight in (2.0, 3.0, 4.0):
        store.write_ledger(
            make_entry(make_trial({"weighting.loss_weights": {"cls": weight}}), devices=1.0, held_seconds=90.0)
        )
    assert outcome_line(made, before, store.ledger()) == (
        "3 trials of this run: predicted 300 device-seconds, actual 270 (-10 %); "
        "with worker groups: predicted 316 device-seconds, actual 270 (-15 %)"
    )


def test_without_a_prediction_there_is_nothing_to_compare(planned):
    store, plan = planned
    made = plan([{"weighting": {"kind": "lwf"}}])
    before = store.ledger()
    store.write_ledger(make_entry(made.missing[0], devices=1.0, held_seconds=110.0))
    assert outcome_line(made, before, store.ledger()) == (
        "1 trial of this run: predicted unknown, actual 110 device-seconds; "
        "with worker groups: predicted unknown, actual 110 device-seconds"
    )


def test_a_trial_that_starts_afresh_is_not_credited_for_what_it_cost_before(planned):
    store, plan = planned
    made = plan()
    again = made.trials[0]
    made = replace(
        made,
        restart=frozenset({again.trial_id}),
        predictions=replace(made.predictions, missing=(again.trial_id,)),
    )
    before = store.ledger()
    store.discard(again.trial_id)
    store.write_ledger(make_entry(again, attempt=2, devices=1.0, held_seconds=90.0))
    line = outcome_line(made, before, store.ledger())
    assert line.startswith("1 trial of this run: predicted 100 device-seconds, actual 90 (-10 %)")
    assert "actual 90 (-17 %)" in line
