"""`python -m study.run status`: on real rows, a real ledger, and drivers that run, ended or were killed."""

import json
import math
import os
import socket
import subprocess
import sys
import time

import pytest
from example_rows import make_entry, make_row, make_trial

from study.claim import NAME, claimed
from study.results import LAST, ResultStore
from study.run import main


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ResultStore("results", "example")


@pytest.fixture
def status(capsys):
    """What the command says, line by line; a driver's host and process are shown as such."""

    def ask(*arguments):
        assert main(["status", *(arguments or ("example",))]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        return told.out.splitlines()

    return ask


def trial(cls, seed=0):
    return make_trial({"weighting.loss_weights": {"cls": cls}}, seed=seed)


def fill(store):
    """Two completed trials, one each that was stopped, failed and was interrupted, and one that somebody imported."""
    for cls, mota, values in (
        (0.5, 0.5, {}),
        (1, 0.7, {}),
        (2, 0.8, {"status": "pruned"}),
        (3, None, {}),
        (4, None, {"status": "interrupted"}),
        (5, 0.9, {"imported_from": "past.csv"}),
    ):
        imported = {name: values.pop(name) for name in list(values) if name == "imported_from"}
        store.write_trial(make_row(trial(cls), mota, **values) | imported)
        if not imported:
            store.write_ledger(make_entry(trial(cls), devices=1.0))
    store.write_ledger(make_entry(None, devices=1.0))


def test_a_study_that_does_not_run(store, status):
    fill(store)
    assert status() == [
        "example: is not running",
        "trials: 3 done (2 completed, 1 pruned, 1 failed, 1 interrupted)",
        "spent: 300 device-seconds (5m00s)",
        f"best: val MOTA 0.700 IDF1 0.650 HOTA 0.350 (cls=1 seed=0, trial {trial(1).trial_id})",
    ]


def test_a_study_that_runs_shows_its_driver_its_eta_and_its_budget(store, status):
    fill(store)
    store.write_ledger(make_entry(trial(6), devices=2.0, held_seconds=10.0, status="running"))
    store.write_ledger(make_entry(trial(4), attempt=2, devices=2.0, held_seconds=10.0, status="running"))
    told = {"total": 16, "budget_device_seconds": 7200.0}
    with claimed(store) as claim:
        claim.tell(told, lambda: {"eta": "12m30s"})
        driver, trials, spent, eta, best = status()
    started = time.strftime("%Y-%m-%d %H:")
    assert driver.startswith(f"example: runs since {started}")
    assert driver.endswith(f", process {os.getpid()} on {socket.gethostname()}")
    assert trials == "trials: 3 of 16 done (2 completed, 1 pruned, 1 failed, 2 running)"
    assert spent == "spent: 480 device-seconds (8m00s) of 2h00m, 1h52m left"
    assert eta == "ETA: 12m30s"
    assert best.startswith("best: val MOTA 0.700")
    driver, trials, *_ = status()
    assert driver == "example: is not running"
    assert trials == "trials: 3 of 16 done (2 completed, 1 pruned, 1 failed, 2 broken off)"


def test_paused_trials_are_not_done(store, status):
    """Their rows say `pruned`, but their checkpoints are there for them to go on."""
    fill(store)
    store.write_checkpoint(trial(2).trial_id, LAST, b"weights")
    assert status()[1] == "trials: 2 done (2 completed, 1 failed, 1 interrupted, 1 paused)"


def test_a_population_goes_on_without_members_that_failed(store, status):
    """Under the seed that it searches with; what it chose runs again under others."""
    for cls, seed, values in (
        (0.5, 0, {}),
        (1, 0, {"status": "failed"}),
        (2, 0, {"status": "interrupted"}),
        (0.5, 1, {"status": "oom"}),
    ):
        suggested = {"generation": 1, "member": cls}
        row = make_row(trial(cls, seed), None if values else 0.5, **values)
        store.write_trial(row | {"suggested": json.dumps(suggested)})
    assert status()[1] == "trials: 2 done (1 completed, 1 failed, 1 oom, 1 interrupted)"


def test_a_driver_that_was_killed(store, status):
    word = {"running": True, "hostname": socket.gethostname(), "pid": 1, "beat_at": time.time(), "total": 4}
    store.folder.write(NAME, json.dumps(word).encode())
    assert status()[:2] == ["example: was killed; the same command goes on", "trials: 0 of 4 done"]


def test_a_driver_on_another_machine(store, status):
    word = {"running": True, "hostname": "gpu-7", "pid": 99, "beat_at": time.time(), "started_at": time.time()}
    store.folder.write(NAME, json.dumps(word).encode())
    assert status()[0].endswith(", process 99 on gpu-7")


def test_a_budget_that_is_spent_leaves_nothing(store, status):
    fill(store)
    with claimed(store) as claim:
        claim.tell({"budget_device_seconds": 60.0}, dict)
    assert "spent: 300 device-seconds (5m00s) of 1m00s, 0s left" in status()


def test_without_a_completed_trial_the_best_of_the_others_is_shown_and_nan_never(store, status):
    store.write_trial(make_row(trial(1), 0.2, status="pruned"))
    store.write_trial(make_row(trial(2), math.nan))
    assert status()[-1] == f"best: val MOTA 0.200 IDF1 0.150 HOTA 0.100 (cls=1 seed=0, trial {trial(1).trial_id})"
    store.write_trial(make_row(trial(1), None))
    assert not [line for line in status() if line.startswith("best")]


def test_results_elsewhere_and_without_anything(tmp_path, status):
    ResultStore(tmp_path / "there", "empty")
    assert status("empty", "--results", str(tmp_path / "there")) == [
        "empty: is not running",
        "trials: 0 done",
        "spent: 0 device-seconds (0s)",
    ]


def test_looking_writes_nothing(store, status):
    fill(store)
    before = {path: path.stat().st_mtime_ns for path in store.local_folder().rglob("*")}
    status()
    assert {path: path.stat().st_mtime_ns for path in store.local_folder().rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exampel"], "error: results: no results of a study 'exampel'; did you mean 'example'?"),
        (["example", "--results", "nowhere"], "error: nowhere: no results of a study 'example'; known: none"),
        ([], "error: the following arguments are required: STUDY; see 'python -m study.run status --help'"),
        (["example", "--resluts", "x"], "error: unrecognized arguments: --resluts x; see"),
    ],
)
def test_mistakes_are_one_line(store, arguments, message, capsys):
    fill(store)
    assert main(["status", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1


def test_it_needs_neither_ray_nor_torch(store):
    fill(store)
    look = "import sys, study.run; study.run.main(['status', 'example']); print({'ray', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_it_begins_no_threads_that_could_outlast_it(store):
    """Arrow's would, and abort the process at its end now and then."""
    fill(store)
    count = "len(psutil.Process().threads())"
    look = f"""
import psutil, pyarrow.parquet, study.commands.status as status
before = {count}
status.main(["example"])
print({count} - before)
"""
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
