import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from logged import Driver, mlflow_runs

from study.watchers.mlflow import open_log


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def drive(tmp_path, cache_dir):
    return lambda: Driver(["mlflow"], tmp_path, cache_dir)


def test_a_run_has_name_settings_and_origin_of_its_trial(drive, tmp_path):
    with drive() as driver:
        trial = driver.plan.trials[1]
        driver.whole(trial)
    run = mlflow_runs(tmp_path / "example")[trial.trial_id]
    assert run.info.run_name == "weighting=hwf cls=2 seed=0"
    assert run.data.params == {"weighting": "hwf", "seed": "0", "weighting.loss_weights.cls": "2.0"}
    (row,) = driver.store.trials()
    tags = run.data.tags
    assert (tags["trial_id"], tags["configuration_id"]) == (trial.trial_id, trial.configuration_id)
    assert (tags["status"], tags.get("mlflow.source.git.commit")) == ("completed", row["git_sha"])
    assert run.info.start_time == row["started_at"].timestamp() * 1000
    assert run.info.end_time == pytest.approx(row["ended_at"].timestamp() * 1000, abs=1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", "FINISHED"),
        ("pruned", "FINISHED"),
        ("failed", "FAILED"),
        ("diverged", "FAILED"),
        ("oom", "FAILED"),
        ("timeout", "FAILED"),
        ("interrupted", "KILLED"),
    ],
)
def test_the_status_of_a_run_is_that_of_its_trial(status, expected, drive, tmp_path):
    with drive() as driver:
        trial = driver.plan.trials[0]
        driver.start(trial)
        assert mlflow_runs(tmp_path / "example")[trial.trial_id].info.status == "RUNNING"
        driver.end(trial, status, epochs=0, error="no reason given")
    run = mlflow_runs(tmp_path / "example")[trial.trial_id]
    assert (run.info.status, run.data.tags["status"], run.data.tags["error"]) == (expected, status, "no reason given")


def test_a_trial_that_goes_on_is_the_same_run_without_what_it_said_of_its_end(drive, tmp_path):
    with drive() as driver:
        trial = driver.plan.trials[0]
        driver.start(trial)
        driver.epochs(trial, 1, 2)
        driver.end(trial, "interrupted", epochs=2, error="the study was interrupted")
    before = mlflow_runs(tmp_path / "example")[trial.trial_id]
    with drive() as driver:
        driver.start(trial, 2)
        running = mlflow_runs(tmp_path / "example")[trial.trial_id]
        assert (running.info.status, running.data.tags.keys() & {"status", "error"}) == ("RUNNING", set())
        driver.epochs(trial, 3, 4)
        driver.end(trial)
    run = mlflow_runs(tmp_path / "example")[trial.trial_id]
    assert run.info.run_id == before.info.run_id
    assert (run.info.status, run.data.tags["status"], "error" in run.data.tags) == ("FINISHED", "completed", False)


def test_names_that_mlflow_does_not_take_are_changed(drive, tmp_path):
    with drive() as driver:
        suggested = {"weighting.loss_weights.cls": 2.0, "weighting.loss_weights.cls/reg": 0.25}
        trial = replace(driver.plan.trials[1], suggested=suggested)
        driver.start(trial)
        log = driver.watchers.watchers[0].log
        log.epoch(trial.trial_id, 1, {"loss/cls": 1.0, "loss/cls/near": 0.5, "loss/cls+reg (both)": 0.25}, 0.0)
        driver.end(trial, epochs=0)
    assert driver.notes == []
    data = mlflow_runs(tmp_path / "example")[trial.trial_id].data
    assert (data.metrics["loss/cls"], data.metrics["loss/cls_near"], data.metrics["loss/cls_reg _both_"]) == (
        1,
        0.5,
        0.25,
    )
    assert (data.params["weighting.loss_weights.cls"], data.params["weighting.loss_weights.cls_reg"]) == ("2.0", "0.25")


def test_more_runs_than_a_page_are_found(drive, monkeypatch):
    with drive() as driver:
        for trial in driver.plan.trials:
            driver.whole(trial)
    monkeypatch.setattr("study.watchers.mlflow._PAGE", 2)
    found = open_log(driver.store.local_folder(), "example")
    assert [found.holds(row) for row in driver.store.trials()] == [True] * 3


SILENT = """
import json, socket, sys
from pathlib import Path

def refuse(*arguments, **_):
    print("network", arguments)
    raise OSError
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from logged import Driver
with Driver(["mlflow"], sys.argv[1], Path(sys.argv[2])) as driver:
    driver.whole(driver.plan.trials[0])
print(json.dumps(driver.notes))
"""


def test_nothing_is_sent_anywhere(tmp_path, cache_dir):
    here = Path(__file__).parent
    hidden = ("PYTEST_CURRENT_TEST", "CI", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent), str(here.parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(tmp_path), str(cache_dir)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert (json.loads(done.stdout), done.stderr) == ([], "")
