import pickle
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import torch
from example_rows import make_entry, make_measured_row
from short_trials import tiny_study

from study.capacity import Capacity
from study.config import Execution
from study.execute.attempt import run_attempt
from study.plan import make_plan
from study.prediction import predict
from study.results import ResultStore

LATER = datetime(2026, 5, 1, tzinfo=UTC)
POINTS = [{"weighting.loss_weights": {"cls": 1.0 * i}} for i in range(1, 6)]


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def planned(tmp_path, cache_dir, splits):
    """Five trials, one of which has cost 100 device-seconds; a worker group is held for 6 seconds more."""
    store = ResultStore(tmp_path, "tiny")
    done, *_ = make_plan(tiny_study(POINTS), store, cache_dir=cache_dir).trials
    store.write_trial(make_measured_row(done, splits.data_hash) | {"ended_at": LATER})
    for kind, held in (("startup", 5.0), ("idle", 1.0)):
        store.write_ledger(
            make_entry(None, entry_id=f"g-{kind}", group_id="g", kind=kind, devices=1.0, held_seconds=held)
        )
    return SimpleNamespace(store=store, plan=lambda study: make_plan(study, store, cache_dir=cache_dir))


def on_two_slots(predictions, plan):
    """The same for a machine on which two trials run at a time, whatever this one has."""
    capacity = Capacity(slots=2, workers=1, cpus_per_worker=1, gpus_per_worker=0.0)
    predictor = predictions.predictor
    predictor = replace(predictor, conditions=replace(predictor.conditions, capacity=capacity))
    return predict(predictor, plan.trials, plan.missing, predictions.epochs_done)


def test_a_study_costs_its_trials_and_its_worker_groups(planned):
    plan = planned.plan(tiny_study(POINTS))
    predictions = on_two_slots(plan.predictions, plan)
    assert len(predictions.missing) == 4
    assert predictions.unknown == ()
    assert predictions.trials[plan.missing[0].trial_id].left_device_seconds == pytest.approx(100)
    assert predictions.trials_device_seconds == pytest.approx(400)
    assert predictions.groups_device_seconds == pytest.approx(2 * 6)
    assert predictions.device_seconds == pytest.approx(412)
    assert predictions.wall_seconds == pytest.approx(6 + 2 * 100)
    one = predictions.trials[plan.missing[0].trial_id]
    assert predictions.kept_bytes == pytest.approx(4 * one.kept_bytes)
    assert predictions.running_bytes == 4 * 12_000
    assert dict(predictions.basis) == {one.basis: 4}
    assert pickle.loads(pickle.dumps(predictions)) == predictions


def test_the_longest_of_uneven_slots_decides_when_a_study_ends(planned):
    plan = planned.plan(tiny_study(POINTS[:4]))
    predictions = on_two_slots(plan.predictions, plan)
    assert len(predictions.missing) == 3
    assert predictions.wall_seconds == pytest.approx(6 + 2 * 100)


def test_what_is_unknown_leaves_the_whole_unknown_and_says_which(planned):
    plan = planned.plan(tiny_study([*POINTS, {"weighting": {"kind": "lwf"}}]))
    predictions = plan.predictions
    assert predictions.unknown == (plan.trials[-1].trial_id,)
    assert plan.trials[-1].trial_id not in predictions.trials
    assert predictions.device_seconds is None
    assert predictions.wall_seconds is None
    assert predictions.trials_device_seconds == pytest.approx(400)


def test_a_study_for_a_larger_machine_is_planned_all_the_same(planned):
    plan = planned.plan(tiny_study(POINTS, execution=Execution(cpus_per_worker=9999, gpus_per_worker=0)))
    assert len(plan.predictions.unknown) == 4
    assert plan.predictions.groups_device_seconds is None


def test_an_interrupted_trial_is_charged_for_what_is_left(tmp_path, cache_dir, ran):
    def after_two_epochs(event):
        if getattr(event, "epoch", 0) == 2:
            raise InterruptedError

    store = ResultStore(tmp_path, "tiny")
    for row in ran.rows.values():
        store.write_trial(row)
    study = tiny_study(seeds=(0, 1, 2, 3))
    plan = make_plan(study, store, cache_dir=cache_dir)
    interrupted, new = plan.missing
    with pytest.raises(InterruptedError):
        run_attempt(interrupted, plan, store, attempt=1, device=torch.device("cpu"), report=after_two_epochs)
    predictions = make_plan(study, store, cache_dir=cache_dir).predictions
    assert predictions.epochs_done == {interrupted.trial_id: 2}
    whole, left = (predictions.trials[trial.trial_id].left_device_seconds for trial in (new, interrupted))
    assert predictions.trials[interrupted.trial_id].device_seconds == whole
    costs = predictions.predictor.costs(new.configuration)
    frames = predictions.predictor.frames
    spent = 2 * (6 * costs.step_seconds + costs.overhead_seconds_per_epoch) + frames.val * costs.eval_seconds_per_frame
    assert left == pytest.approx(whole - spent)

    # Without its checkpoint it starts again from nothing.
    store.delete_checkpoint(interrupted.trial_id, "last")
    predictions = make_plan(study, store, cache_dir=cache_dir).predictions
    assert predictions.trials[interrupted.trial_id].left_device_seconds == whole


def test_a_trial_keeps_what_was_predicted_when_it_began(tmp_path, cache_dir, ran):
    store = ResultStore(tmp_path, "tiny")
    for row in ran.rows.values():
        store.write_trial(row)
    plan = make_plan(tiny_study(seeds=(0, 1, 2)), store, cache_dir=cache_dir)
    (trial,) = plan.missing
    plan = pickle.loads(pickle.dumps(plan))
    row = run_attempt(trial, plan, store, attempt=1, device=torch.device("cpu"))
    assert row["predicted_device_seconds"] == plan.predictions.trials[trial.trial_id].device_seconds
    assert [ran.rows[t.trial_id]["predicted_device_seconds"] for t in ran.plan.trials] == [None, None]
