"""Studies on a real Ray of this machine, with real faults."""

from contextlib import suppress

import pandas as pd
import psutil
import pytest
import torch
from listening import listening
from tiny import open_study, rows, tiny_study

from study.config import Execution
from study.errors import UserError
from study.events import EpochFinished, Note, TrialEnded, TrialStarted
from study.execute import run_study
from study.execute.attempt import run_attempt
from study.execute.cluster import connected
from study.results import cost


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_module():
    with connected(threads=1):
        yield


def action(name, tmp_path, *, at_step=5, once=True):
    settings = {"weighting.action": name, "weighting.at_step": at_step}
    return settings | ({"weighting.once": str(tmp_path / name)} if once else {})


def models(store):
    return {file.path.split("/")[1] for file in store.folder.files() if file.path.endswith("/model.pt")}


def assert_same_rows(store, other, trial_id):
    mine, theirs = rows(store, trial_id), rows(other, trial_id)
    for table in mine:
        pd.testing.assert_frame_equal(mine[table], theirs[table], obj=table)


def test_faults_of_all_kinds_end_in_rows_and_spare_the_other_trials(tmp_path, cache_dir, capfd):
    study = tiny_study(
        [
            {},
            action("kill", tmp_path),
            action("raise", tmp_path, at_step=2, once=False),
            action("hang", tmp_path),
            {"weighting": {"kind": "hwf", "loss_weights": {"cls": 1e38}}},
            {"train.lr": 1e-3},
        ],
        execution=Execution(max_retries=1, trial_timeout_seconds=12, keep_checkpoints="all"),
    )
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    events = []
    run_study(plan, store, events.append)
    assert capfd.readouterr() == ("", "")

    stored = {row["trial_id"]: row for row in store.trials()}
    ordinary, killed, raising, hanging, diverging, other = (stored[t.trial_id] for t in plan.trials)
    assert [stored[t.trial_id]["status"] for t in plan.trials] == [
        *("completed", "completed", "failed", "completed", "diverged", "completed")
    ]
    assert [row["attempts"] for row in (ordinary, killed, raising, hanging, diverging, other)] == [*(1, 2, 2, 2, 1, 1)]
    assert raising["error"] == "RuntimeError: weighting is broken"
    assert raising["epochs"] == 0
    assert "step 0 (epoch 1)" in diverging["error"]
    assert {entry["status"] for entry in store.ledger(plan.trials[3].trial_id)} == {"timeout", "completed"}
    assert hanging["lost_seconds"] > 8
    assert killed["lost_seconds"] > 0

    completed = {trial_id for trial_id, row in stored.items() if row["status"] == "completed"}
    assert models(store) == completed

    # What was killed is as if it had not been: the same trial, undisturbed, without ray.
    _, quiet = open_study(study, tmp_path / "quiet", cache_dir)
    run_attempt(plan.trials[1], plan, quiet, attempt=1, device=torch.device("cpu"))
    assert_same_rows(store, quiet, plan.trials[1].trial_id)

    # Events tell every epoch of an attempt in its order, and a trial's end once.
    ended = [event.trial.trial_id for event in events if isinstance(event, TrialEnded)]
    assert sorted(ended) == sorted(stored)
    of_killed = [
        event.attempt if isinstance(event, TrialStarted) else f"epoch {event.epoch}"
        for event in events
        if isinstance(event, TrialStarted | EpochFinished) and event.trial.trial_id == plan.trials[1].trial_id
    ]
    assert of_killed == [1, "epoch 1", 2, "epoch 2", "epoch 3"]
    assert sum(isinstance(event, Note) for event in events) == 3

    # The ledger covers whatever was held, and is closed.
    ledger = store.ledger()
    assert not [entry for entry in ledger if entry["status"] == "running"]
    held = cost(ledger)["device_seconds"]
    assert held == pytest.approx(sum(entry["devices"] * entry["held_seconds"] for entry in ledger), rel=1e-6)
    groups = {entry["group_id"] for entry in ledger}
    assert {entry["group_id"] for entry in ledger if entry["kind"] == "startup"} == groups
    for group in groups:
        mine = [entry for entry in ledger if entry["group_id"] == group]
        span = max(e["started_at"].timestamp() + e["held_seconds"] for e in mine) - min(
            e["started_at"].timestamp() for e in mine
        )
        assert sum(entry["held_seconds"] for entry in mine) == pytest.approx(span, abs=3)

    # The study goes on with what did not complete, and counts attempts on.
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    assert [trial.index for trial in plan.missing] == [2]


def test_two_workers_do_what_one_does_though_one_of_them_dies(tmp_path, cache_dir):
    weighting = {"kind": "user_parts.faulty", "action": "kill", "at_step": 6, "once": str(tmp_path / "killed")}
    study = tiny_study(epochs=2, weighting=weighting, precision="float32", execution=Execution(workers=2))
    plan, store = open_study(study, tmp_path / "two", cache_dir)
    found = set()

    def watch(event):
        if isinstance(event, EpochFinished):
            found.update(listening())

    run_study(plan, store, watch)
    assert {name for name, _ in found} >= {"raylet", "gcs_server", "ray::RayTrainWorker"}
    assert [at for at in found if not at[1].is_loopback] == []
    _, alone = open_study(study, tmp_path / "one", cache_dir)
    trial = plan.trials[0]
    run_attempt(trial, plan, alone, attempt=1, device=torch.device("cpu"))
    (row,) = store.trials()
    assert (row["status"], row["workers"], row["devices_per_worker"], row["attempts"]) == ("completed", 2, 1.0, 2)
    entries = store.ledger(trial.trial_id)
    assert [entry["status"] for entry in entries] == ["lost", "completed"]
    assert all(entry["held_seconds"] > 0 for entry in entries)
    assert row["device_seconds"] == pytest.approx(2 * sum(entry["held_seconds"] for entry in entries))
    assert 0 < row["lost_seconds"] <= 2 * entries[0]["held_seconds"]
    assert "goes on after epoch 1" in store.log_path(trial.trial_id).read_text()
    mine, theirs = rows(store, trial.trial_id)["steps"], rows(alone, trial.trial_id)["steps"]
    assert mine["step"].equals(theirs["step"])
    first = mine["step"] < 2
    for name in ("loss", "weighted_total", "gradient_norm"):
        assert mine[name][first].to_numpy() == pytest.approx(theirs[name][first].to_numpy(), rel=1e-4)
        assert mine[name].to_numpy() == pytest.approx(theirs[name].to_numpy(), rel=0.1)


def test_only_driver_and_workers_load_torch(tmp_path, cache_dir):
    """It takes 300 MB of each process, and for every trial under way the head has three that do without."""
    plan, store = open_study(tiny_study(), tmp_path, cache_dir)
    seen: dict[str, bool] = {}

    def watch(event):
        if isinstance(event, EpochFinished):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    name = process.name().split(".")[0]
                    seen[name] = seen.get(name, False) or any("libtorch" in map.path for map in process.memory_maps())

    run_study(plan, store, watch)
    actors = {
        "ray::Dispatcher",
        "ray::Follower",
        "ray::RayTrainWorker",
        "ray::SynchronizationActor",
        "ray::TrainController",
    }
    assert seen.keys() >= actors
    assert {name for name, loads in seen.items() if loads} == {"ray::RayTrainWorker"}


def test_a_study_for_a_larger_machine_is_refused_before_it_starts(tmp_path, cache_dir):
    plan, store = open_study(tiny_study(execution=Execution(cpus_per_worker=99)), tmp_path, cache_dir)
    with pytest.raises(UserError, match=r"a trial needs 1 x 99 CPUs .*there are \d+ CPUs and 0 GPUs; lower"):
        run_study(plan, store, lambda _: None)
    assert store.trials() == []
    assert store.ledger() == []


def test_an_error_of_whoever_watches_interrupts_the_study(tmp_path, cache_dir):
    plan, store = open_study(tiny_study(epochs=50), tmp_path, cache_dir)

    def watch(event):
        if isinstance(event, EpochFinished) and event.epoch == 2:
            raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="terminal"):
        run_study(plan, store, watch)
    (row,) = store.trials()
    assert row["status"] == "interrupted"
    assert row["epochs"] >= 2
    assert {entry["status"] for entry in store.ledger(row["trial_id"])} == {"interrupted"}
    again, _ = open_study(tiny_study(epochs=50), tmp_path, cache_dir)
    assert again.missing == again.trials


def test_relative_paths_are_meant_from_where_the_study_was_started(tmp_path, cache_dir, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = tiny_study([{"weighting.action": "raise", "weighting.at_step": 0, "weighting.once": "it broke"}], epochs=1)
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    run_study(plan, store, lambda _: None)
    (row,) = store.trials()
    assert (row["status"], row["attempts"]) == ("completed", 2)
    assert (tmp_path / "it broke").exists()
