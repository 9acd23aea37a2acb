import pickle
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from example_rows import make_entry, make_measured_row
from short_trials import EXECUTION, tiny_study
from tiny_trials import configuration

from study.capacity import Capacity
from study.config import Execution
from study.plan import make_plan
from study.prediction import make_predictor
from study.prediction.measurement import KeptProbes, Measurement
from study.results import ResultStore
from study.weighting import hwf, lwf

FOUND = Measurement(
    startup_seconds=1.0,
    step_seconds=0.5,
    overhead_seconds_per_epoch=0.0,
    eval_seconds_per_frame=0.001,
    model_bytes=1000,
    state_bytes=3000,
    group_startup_seconds=4.0,
    steps=10,
    frames=72,
    slowed=1.0,
    beside=1,
)
LATER = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def gathered(tmp_path, splits, cache_dir):
    """A store, a trial of its study, and what is known of it and of other configurations."""
    store = ResultStore(tmp_path / "results", "tiny")
    trial, *_ = make_plan(tiny_study(), store, cache_dir=cache_dir).trials

    def gather(*configurations, execution=EXECUTION):
        return make_predictor(
            execution, splits, store, configurations or [trial.configuration], tmp_path / "kept", trials=1
        )

    def row(**values):
        return make_measured_row(trial, splits.data_hash) | {"ended_at": LATER} | values

    return SimpleNamespace(store=store, trial=trial, gather=gather, row=row, root=tmp_path)


def test_nothing_is_said_of_what_never_ran(gathered):
    predictor = gathered.gather()
    assert predictor.of(gathered.trial.configuration) is None
    assert predictor.device_seconds(gathered.trial.configuration) is None


def test_a_real_trial_is_predicted_to_cost_what_it_did(ran, splits, tmp_path):
    predictor = make_predictor(EXECUTION, splits, ran.store, [ran.plan.trials[0].configuration], tmp_path, trials=1)
    held = [row["device_seconds"] for row in ran.rows.values()]
    assert predictor.device_seconds(ran.plan.trials[0].configuration) == pytest.approx(sum(held) / 2)
    twice = configuration(hwf.Config(loss_weights={"cls": 9.0}), epochs=3, steps_per_epoch=12, validate_every=2)
    trained = sum(row["train_seconds"] for row in ran.rows.values()) / 2
    assert predictor.device_seconds(twice) == pytest.approx(sum(held) / 2 + trained)
    assert predictor.of(twice).basis.endswith("with the same kind of weighting and tracker")
    assert predictor.device_seconds(configuration(lwf.Config())) is None


def test_rows_of_another_study_count_if_there_are_none_of_this_one(gathered):
    other = ResultStore(gathered.root / "results", "other")
    other.write_trial(gathered.row())
    other.write_ledger(make_entry(None, entry_id="g-startup", kind="startup", devices=1.0, held_seconds=7.0))
    predictor = gathered.gather()
    assert predictor.device_seconds(gathered.trial.configuration) == pytest.approx(100)
    assert predictor.group_seconds == pytest.approx(7)
    (other.folder / "trials").write("broken.parquet", b"of another version")
    assert gathered.gather().device_seconds(gathered.trial.configuration) is None


def test_a_row_replaces_a_probe(gathered, splits):
    before = gathered.gather()
    KeptProbes(gathered.root / "kept", before.conditions, splits.data_hash).write(gathered.trial.configuration, FOUND)
    probed = gathered.gather()
    scored = 0.001 * (2 * probed.frames.val + probed.frames.test)
    assert probed.device_seconds(gathered.trial.configuration) == pytest.approx(1 + 18 * 0.5 + scored)
    assert probed.group_seconds == 4
    assert probed.of(gathered.trial.configuration).basis.startswith("a probe of 10 steps")
    gathered.store.write_trial(gathered.row())
    assert gathered.gather().device_seconds(gathered.trial.configuration) == pytest.approx(100)


def test_on_a_cluster_only_this_studys_own_rows_count_whatever_they_ran_on(gathered, splits, monkeypatch):
    here = gathered.gather()
    KeptProbes(gathered.root / "kept", here.conditions, splits.data_hash).write(gathered.trial.configuration, FOUND)
    ResultStore(gathered.root / "results", "other").write_trial(gathered.row())
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    predictor = gathered.gather(execution=Execution())
    assert predictor.device_seconds(gathered.trial.configuration) is None
    assert (predictor.slots(4), predictor.groups(4)) == (None, None)
    gathered.store.write_trial(gathered.row(device_name="a GPU", devices_per_worker=0.5))
    predictor = gathered.gather(execution=Execution())
    assert predictor.device_seconds(gathered.trial.configuration) == pytest.approx(100)
    assert predictor.costs(gathered.trial.configuration).devices == 0.5


@pytest.mark.parametrize(
    ("settings", "trials", "groups"),
    [
        ({}, 7, 3),
        ({}, 2, 2),
        ({}, 0, 0),
        ({"warm_groups": False}, 7, 7),
        ({"jobs_per_group": 2}, 7, 4),  # three, two and two trials a slot
        ({"jobs_per_group": 1}, 7, 7),
        ({"jobs_per_group": 99}, 7, 3),
    ],
)
def test_worker_groups_are_counted_by_slots_and_jobs(settings, trials, groups, gathered):
    capacity = Capacity(slots=3, workers=1, cpus_per_worker=1, gpus_per_worker=0.0)
    predictor = gathered.gather()
    predictor = replace(
        predictor, execution=Execution(**settings), conditions=replace(predictor.conditions, capacity=capacity)
    )
    assert predictor.groups(trials) == groups


def test_a_predictor_can_be_sent_and_asked_for_every_suggestion(gathered):
    gathered.store.write_trial(gathered.row())
    predictor = gathered.gather()
    sent = pickle.loads(pickle.dumps(predictor))
    suggested = configuration(hwf.Config(loss_weights={"cls": 0.123}), epochs=3, steps_per_epoch=6, validate_every=2)
    assert sent.of(suggested) == predictor.of(suggested)
    assert sent.of(suggested).device_seconds == pytest.approx(100)
