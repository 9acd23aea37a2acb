"""Searches on a real Ray: early stopping, populations, finalists, budget, and going on after an interruption."""

import math
import sqlite3
from dataclasses import replace

import optuna
import pandas as pd
import pytest
import torch
from tiny import open_study, rows, tiny_study

from study.config import Execution
from study.errors import UserError
from study.events import EpochFinished, Note, TrialDeclined, TrialEnded, TrialPaused
from study.execute import run_study
from study.execute.attempt import run_attempt
from study.execute.cluster import connected
from study.housekeeping import KeptModels
from study.prediction.costs import UnitCosts
from study.results import LAST, cost
from study.search import storage
from study.search_config import ASHA, Median, Population, Search
from study.space import LogUniform, Simplex
from study.weighting import hwf

ONE_AT_A_TIME = Execution(max_concurrent_trials=1)


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_module():
    with connected(threads=1):
        yield


def searching(search, *, early_stopping=None, name="tiny", **settings):
    study = tiny_study(weighting=hwf.Config(), **settings)
    return study.model_copy(update={"search": search, "early_stopping": early_stopping, "name": name})


def learning_rates(number, **settings):
    """Trials of very different fates: a learning rate of 1e-6 learns nothing in eight steps, one of 1e-2 something."""
    space = {"train.lr": LogUniform(low=1e-6, high=1e-2)}
    start = tuple({"train.lr": lr} for lr in (1e-2, 3e-3, 1e-6))
    return Search(space=space, num_configurations=number, start=start[:number], sampler="random", **settings)


def run(study, tmp_path, cache_dir, watch=lambda _: None):
    plan, store = open_study(study, tmp_path, cache_dir)
    events = []

    def on_event(event):
        events.append(event)
        watch(event)

    try:
        run_study(plan, store, on_event)
    finally:
        after, _ = open_study(study, tmp_path, cache_dir)
    return after, store, events


def optuna_trials(tmp_path, name="tiny"):
    url = f"sqlite:///{tmp_path / name / storage.NAME}"
    (study_name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=study_name, storage=url).trials


def test_a_search_runs_its_suggestions_and_then_its_best_under_the_other_seeds(tmp_path, cache_dir):
    start = {"weighting.loss_weights": {"cls": 2.0, "reg": 0.9, "reid": 1.7}}
    space = {"weighting.loss_weights": Simplex()}
    search = Search(space=space, num_configurations=4, start=(start,), objectives=("val_ap",))
    study = searching(search, seeds=(0, 5, 6), epochs=1, steps=8, lr=1e-2)
    plan, store, events = run(study, tmp_path, cache_dir)
    assert plan.ended
    assert len(plan.trials) == plan.total == 6
    stored = {row["trial_id"]: row for row in store.trials()}
    assert {row["status"] for row in stored.values()} == {"completed"}
    first = [stored[trial.trial_id] for trial in plan.trials if trial.seed == 0]
    assert len({row["val_ap"] for row in first}) == 4
    best = max(first, key=lambda row: row["val_ap"])
    assert {row["configuration_id"] for row in stored.values() if row["seed"] in (5, 6)} == {best["configuration_id"]}
    assert sum(isinstance(event, TrialEnded) for event in events) == 6
    told = {trial.user_attrs["trial_id"]: trial for trial in optuna_trials(tmp_path)}
    assert {trial_id: trial.values for trial_id, trial in told.items()} == {
        row["trial_id"]: [row["val_ap"]] for row in first
    }
    models = {file.path.split("/")[1] for file in store.folder.files() if file.path.endswith("/model.pt")}
    assert models == set(KeptModels(store.trials()).reasons)
    assert len(models) < 6
    # Done is done.
    _, _, events = run(study, tmp_path, cache_dir)
    assert events == []


def test_stopped_trials_keep_rows_and_cost_and_tune_never_stops_the_first(tmp_path, cache_dir):
    stopping = ASHA(metric="val_ap", grace_epochs=1, reduction_factor=2, promote=False)
    study = searching(learning_rates(6), early_stopping=stopping, epochs=4, steps=8, execution=ONE_AT_A_TIME)
    plan, store, events = run(study, tmp_path, cache_dir)
    assert plan.ended
    assert {row["status"] for row in store.trials()} == {"completed", "pruned"}
    for row in store.trials():
        epochs = {e["epoch"] for e in store.read_rows("epochs", row["trial_id"])}
        assert epochs == set(range(1, row["epochs"] + 1))
        assert (row["epochs"] == 4) == (row["status"] == "completed")
        assert row["val_ap"] is not None
        assert row["device_seconds"] > 0
        assert store.read_checkpoint(row["trial_id"], LAST) is None
    first = min(plan.trials, key=lambda trial: trial.index)
    assert store.trial(first.trial_id)["status"] == "completed"
    # An epoch after the verdict is never computed.
    reported = [event for event in events if isinstance(event, EpochFinished)]
    assert len(reported) == sum(row["epochs"] for row in store.trials())


def test_paused_trials_go_on_from_their_checkpoint_charged_to_the_same_trial(tmp_path, cache_dir):
    stopping = ASHA(metric="val_ap", grace_epochs=1, reduction_factor=2)
    study = searching(learning_rates(6), early_stopping=stopping, epochs=4, steps=8, execution=ONE_AT_A_TIME)
    plan, store, events = run(study, tmp_path, cache_dir)
    assert plan.ended
    stored = store.trials()
    paused = [event.trial.trial_id for event in events if isinstance(event, TrialPaused)]
    promoted = [row for row in stored if row["trial_id"] in paused and row["attempts"] > 1]
    assert paused
    assert promoted
    for row in promoted:
        ledger = store.ledger(row["trial_id"])
        assert len(ledger) == row["attempts"]
        assert row["device_seconds"] == pytest.approx(cost(ledger)["device_seconds"])
        epochs = [e["epoch"] for e in store.read_rows("epochs", row["trial_id"]) if e["task"] == ""]
        assert epochs == list(range(1, row["epochs"] + 1))
    assert any(row["status"] == "completed" for row in stored)
    assert all(store.read_checkpoint(row["trial_id"], LAST) is None for row in stored)
    reported = [event for event in events if isinstance(event, EpochFinished)]
    assert len(reported) == sum(row["epochs"] for row in stored)

    # Paused in between or not: the same figures.
    row = next((row for row in promoted if row["status"] == "completed"), promoted[0])
    trial = next(trial for trial in plan.trials if trial.trial_id == row["trial_id"])
    _, quiet = open_study(study, tmp_path / "quiet", cache_dir)
    run_attempt(trial, plan, quiet, attempt=1, device=torch.device("cpu"))
    for table in ("steps", "epochs"):
        mine, theirs = rows(store, trial.trial_id)[table], rows(quiet, trial.trial_id)[table]
        theirs = theirs[theirs["epoch"] <= row["epochs"]]
        pd.testing.assert_frame_equal(mine, theirs.reset_index(drop=True), obj=table)


def test_a_population_exchanges_and_is_bit_equal_to_its_schedule_from_nothing(tmp_path, cache_dir):
    search = Population(size=3, epochs_per_generation=1, metric="val_ap", resample_probability=0.0)
    study = searching(search, epochs=3, seeds=(0, 1))
    plan, store, _ = run(study, tmp_path, cache_dir)
    assert plan.ended
    stored = {row["trial_id"]: row for row in store.trials()}
    assert len(stored) == plan.total == 3 * 3 + 1
    last = [trial for trial in plan.trials if trial.until is None and trial.seed == 0]
    assert [stored[trial.trial_id]["status"] for trial in last] == ["completed"] * 3
    assert all(len(trial.configuration.weighting.stages) == 3 for trial in last)
    assert all({e["epoch"] for e in store.read_rows("epochs", trial.trial_id)} == {3} for trial in last)
    assert all(store.read_checkpoint(trial_id, LAST) is None for trial_id in stored)
    (again,) = [trial for trial in plan.trials if trial.seed == 1]
    assert {e["epoch"] for e in store.read_rows("epochs", again.trial_id)} == {1, 2, 3}

    trial = last[-1]
    _, quiet = open_study(study, tmp_path / "quiet", cache_dir)
    run_attempt(trial, plan, quiet, attempt=1, device=torch.device("cpu"))
    for table in ("steps", "epochs", "sequences"):
        mine, theirs = rows(store, trial.trial_id)[table], rows(quiet, trial.trial_id)[table]
        theirs = theirs[theirs["epoch"] == 3]
        pd.testing.assert_frame_equal(mine, theirs.reset_index(drop=True), obj=table)


def test_a_storage_that_somebody_else_holds_ends_the_search_with_the_reason(tmp_path, cache_dir, monkeypatch):
    monkeypatch.setattr(storage, "WAIT_SECONDS", 0.2)
    plan, store = open_study(searching(learning_rates(2)), tmp_path, cache_dir)
    others = []

    def hold(event):
        if isinstance(event, EpochFinished) and not others:
            others.append(sqlite3.connect(tmp_path / "tiny" / storage.NAME, isolation_level=None))
            others[0].execute("BEGIN EXCLUSIVE")

    with pytest.raises(UserError, match=r"cannot use .*optuna\.db: database is locked; make room, or close whatever"):
        run_study(plan, store, hold)
    others[0].close()
    after, _, _ = run(plan.study, tmp_path, cache_dir)
    assert after.ended


def test_a_search_with_the_median_rule_goes_on_after_a_restart(tmp_path, cache_dir):
    """Trials that would have been stopped by what is known now, but were not: those beside them were not as far."""
    _, store, _ = run(searching(learning_rates(4), epochs=3, steps=8), tmp_path, cache_dir)
    before = {row["trial_id"]: row for row in store.trials()}
    best = max(row["val_ap"] for row in before.values())
    assert min(row["val_ap"] for row in before.values()) < best
    median = Median(metric="val_ap", min_trials=2)
    plan, store, _ = run(searching(learning_rates(8), epochs=3, steps=8, early_stopping=median), tmp_path, cache_dir)
    assert plan.ended
    rows = store.trials()
    assert len(rows) == 8
    assert {row["status"] for row in rows} == {"completed", "pruned"}
    assert all(row == before[row["trial_id"]] for row in rows if row["trial_id"] in before)
    assert all(row["val_ap"] < best for row in rows if row["status"] == "pruned")


def test_the_budget_is_a_cap_over_all_runs(tmp_path, cache_dir):
    points = [{"train.lr": lr} for lr in (1e-3, 2e-3, 3e-3)]

    def spend(results, epochs=100_000, budget=None):
        execution = Execution(max_concurrent_trials=1, budget_device_seconds=budget)
        study = tiny_study(points, weighting=hwf.Config(), epochs=epochs, execution=execution)
        _, store, events = run(study, tmp_path / results, cache_dir)
        return store, events, cost(store.ledger())["device_seconds"]

    # What a group's start takes on this machine now, so that there is time left for training. Elsewhere: with rows to
    # predict from, trials of so many epochs would not be started.
    _, _, spent = spend("measured", epochs=1)
    budget = 2 * spent + 6

    store, _, spent = spend("spent", budget=budget)
    assert 0.5 * budget < spent <= budget
    (row,) = store.trials()
    assert (row["status"], row["error"]) == ("interrupted", "the budget is spent")
    assert store.has_checkpoint(row["trial_id"], LAST)

    # The same budget is not had twice; more of it goes on from the checkpoint, up to the new cap.
    _, _, again = spend("spent", budget=budget)
    assert spent <= again <= budget
    (row,) = [row for row in store.trials() if row["epochs"]]
    more = again + budget
    _, events, spent = spend("spent", budget=more)
    epochs = [event.epoch for event in events if isinstance(event, EpochFinished)]
    assert epochs[0] == row["epochs"] + 1
    assert budget < spent <= more


def test_trials_that_would_not_fit_are_not_started(tmp_path, cache_dir):
    study = tiny_study([{"train.lr": 1e-3}, {"train.lr": 2e-3}], weighting=hwf.Config(), execution=ONE_AT_A_TIME)
    plan, store = open_study(study, tmp_path, cache_dir)
    one, two = plan.trials
    cheap = UnitCosts(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, "a guess")
    costs = {one.configuration_id: cheap, two.configuration_id: replace(cheap, startup_seconds=math.inf)}
    predictor = replace(plan.predictions.predictor, configurations=costs)
    execution = study.execution.model_copy(update={"budget_device_seconds": 600.0})
    plan = replace(
        plan,
        study=study.model_copy(update={"execution": execution}),
        predictions=replace(plan.predictions, predictor=predictor),
    )
    events = []
    run_study(plan, store, events.append)
    assert [row["trial_id"] for row in store.trials()] == [one.trial_id]
    assert [event.trial.trial_id for event in events if isinstance(event, TrialDeclined)] == [two.trial_id]
    assert not [event for event in events if isinstance(event, Note)]
