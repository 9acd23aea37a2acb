"""What every log does; the tools themselves read what it left."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from logged import NAMES, READ, Driver
from s3_server import serve

from study.errors import UserError
from study.events import TrialEnded, TrialPaused
from study.run import main
from study.watchers import check_logs


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=READ)
def name(request) -> str:
    return request.param


@pytest.fixture
def read(name, tmp_path):
    return lambda: READ[name](tmp_path / "example")


@pytest.fixture
def drive(name, tmp_path, cache_dir):
    """A run of the study by a new process, as far as logs can tell."""
    return lambda names=(name,): Driver(list(names), tmp_path, cache_dir)


@pytest.fixture
def run_script(name, tmp_path, cache_dir):
    """Plays a driver in a process of its own."""
    tests = Path(__file__).parent.parent
    path = os.pathsep.join(map(str, (tests / "watchers", tests, tests.parent)))
    return lambda script: subprocess.run(
        [sys.executable, "-c", script, name, str(tmp_path), str(cache_dir)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )


def steps(points) -> dict[str, list[int]]:
    return {name: [step for step, _ in values] for name, values in points.items()}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_epoch_is_there_as_soon_as_it_is_told(drive, read):
    with drive() as driver:
        trial, other, _ = driver.plan.trials
        driver.start(trial)
        driver.epochs(trial, 1)
        assert steps(read()[trial.trial_id]) == {name: [1] for name in NAMES if not name.startswith("val_")}
        driver.start(other)
        driver.epochs(trial, 2)
        points = read()
        assert points[trial.trial_id].keys() == NAMES
        assert points[trial.trial_id]["loss/reid"] == [(1, 1.0), (2, 0.5)]
        assert points[trial.trial_id]["loss_weight/cls"] == [(1, 1.5), (2, 1.5)]
        assert points[trial.trial_id]["val_mota"] == [(2, 0.25)]
        assert points[other.trial_id] == {}
        driver.epochs(trial, 3, 4)
        driver.end(trial, metrics={"val_mota": 0.5, "test_mota": 0.25}, device_seconds=128.0)
    points = read()[trial.trial_id]
    assert points["test_mota"] == [(4, 0.25)]
    assert points["val_mota"] == [(2, 0.25), (4, 0.5)]
    assert [step for step, _ in points["device_seconds"]] == [4]
    assert driver.notes == []


def test_a_log_that_is_asked_for_late_holds_the_same(drive, read, name, tmp_path, cache_dir):
    with drive() as driver:
        for trial in driver.plan.trials[:2]:
            driver.whole(trial)
    with Driver([], tmp_path / "unwatched", cache_dir) as driver:
        for trial in driver.plan.trials[:2]:
            driver.whole(trial)
    with Driver([name], tmp_path / "unwatched", cache_dir) as driver:
        assert driver.plan.missing == driver.plan.trials[2:]
    late = READ[name](tmp_path / "unwatched" / "example")
    assert json.dumps(late, sort_keys=True) == json.dumps(read(), sort_keys=True)  # where NaN equals NaN
    assert len(read()) == 2
    assert [line.startswith(f"{name}: ") for line in driver.watchers.lines] == [True]


def test_what_is_there_is_left_alone(drive, tmp_path):
    with drive() as driver:
        driver.whole(driver.plan.trials[0])
        driver.whole(driver.plan.trials[1])
    before = contents(tmp_path)
    with drive():
        pass
    assert contents(tmp_path) == before


@pytest.mark.parametrize("told", [True, False], ids=["interruption told", "after the last event"])
def test_a_trial_that_goes_on_has_every_point_once(drive, read, told):
    with drive() as driver:
        trial = driver.plan.trials[0]
        driver.start(trial)
        driver.epochs(trial, 1, 2)
        driver.end(
            trial, "interrupted", epochs=2, event=TrialEnded if told else None, error="the study was interrupted"
        )
    assert steps(read()[trial.trial_id]) | {"device_seconds": [2]} == steps(read()[trial.trial_id])
    with drive() as driver:
        driver.start(trial, 2)
        driver.epochs(trial, 2, 3, 4)  # the second was written, but not its checkpoint
        driver.end(trial, metrics={"val_mota": 0.5, "test_mota": 0.25})
    points = steps(read()[trial.trial_id])
    assert points["loss/cls"] == points["loss_weight/reid"] == [1, 2, 3, 4]
    assert points["val_mota"] == points["val_motp"] == [2, 4]
    assert points["test_mota"] == [4]
    assert len(read()) == 1


def test_a_trial_that_pauses_goes_on_in_its_run_or_is_settled(drive, read, tmp_path):
    with drive() as driver:
        first, second, _ = driver.plan.trials
        for trial in (first, second):
            driver.start(trial)
            driver.epochs(trial, 1)
            driver.end(trial, "pruned", epochs=1, event=TrialPaused)
        driver.start(first, 2)
        driver.epochs(first, 2, 3, 4)
        driver.end(first)
        before = contents(tmp_path)
        (row,) = (row for row in driver.store.trials() if row["status"] == "pruned")
        driver.watchers(TrialEnded(second, row))
        assert contents(tmp_path) == before
    points = read()
    assert steps(points[first.trial_id])["loss/cls"] == [1, 2, 3, 4]
    assert steps(points[second.trial_id])["loss/cls"] == steps(points[second.trial_id])["device_seconds"] == [1]


KILLED = """
import os, signal, sys
from pathlib import Path
from logged import Driver
with Driver([sys.argv[1]], sys.argv[2], Path(sys.argv[3])) as driver:
    trial = driver.plan.trials[0]
    driver.start(trial)
    driver.epochs(trial, 1, 2)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_driver_that_is_killed_leaves_a_log_that_can_be_gone_on_with(run_script, drive, read):
    assert run_script(KILLED).returncode == -signal.SIGKILL
    with drive() as driver:
        trial = driver.plan.trials[0]
        driver.start(trial, 2)
        driver.epochs(trial, 3)
        driver.start(trial, 3)  # a worker was lost, and the checkpoint could not be read
        driver.epochs(trial, 1, 2, 3, 4)
        driver.end(trial)
    assert steps(read()[trial.trial_id])["loss/cls"] == [1, 2, 3, 4]


@pytest.mark.parametrize("watched", [True, False], ids=["logged", "logged afterwards"])
def test_nothing_is_left_of_a_trial_that_ran_again_from_nothing(drive, read, watched):
    with drive() as driver:
        trial = driver.plan.trials[0]
        driver.whole(trial)
    driver.store.discard(trial.trial_id)
    with drive(() if not watched else (driver.names[0],)) as driver:
        driver.start(trial, day=2)
        driver.epochs(trial, 1, 2, losses_from=8.0)
        driver.end(trial, epochs=2)
    with drive():
        pass
    assert read()[trial.trial_id]["loss/cls"] == [(1, 8.0), (2, 4.0)]


def test_a_log_that_breaks_is_told_once_and_ends_nothing(drive, read, name, tmp_path):
    other = next(tool for tool in READ if tool != name)
    with drive((name, other)) as driver:
        first, second, third = driver.plan.trials
        driver.whole(first)
        folder = tmp_path / "example" / {"tensorboard": "tensorboard", "mlflow": "mlruns"}[name]
        folder.rename(tmp_path / "away")
        folder.write_text("in the way")
        driver.whole(second)
        driver.whole(third)
        (note,) = driver.notes
        assert note.startswith(f"--log {name} is switched off (")
        assert note.endswith("); given again, it adds what is missing")
        assert len(note.splitlines()) == 1
    assert sum(isinstance(event, TrialEnded) for event in driver.events) == 3
    assert driver.watchers.lines[0] == note
    assert driver.watchers.lines[1].startswith(f"{other}: ")
    assert len(READ[other](tmp_path / "example")) == 3

    folder.unlink()
    (tmp_path / "away").rename(folder)
    with drive():
        pass
    assert [steps(points)["loss/cls"] for points in read().values()] == [[1, 2, 3, 4]] * 3


def test_a_log_that_cannot_be_opened_is_told_too(drive, tmp_path, name):
    folder = tmp_path / "example" / {"tensorboard": "tensorboard", "mlflow": "mlruns"}[name]
    folder.parent.mkdir()
    folder.write_text("in the way")
    with drive() as driver:
        driver.whole(driver.plan.trials[0])
    assert len(driver.notes) == 1
    assert len(driver.store.trials()) == 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from logged import Driver
with Driver([sys.argv[1]], sys.argv[2], Path(sys.argv[3])) as driver:
    trial, second, third = driver.plan.trials
    driver.start(trial)
    driver.epochs(trial, 1, 2)
    watchers, later = driver.watchers, []
    driver.watchers = later.append  # the rows are written before the disk is full, and told after
    driver.epochs(trial, 2)
    driver.start(second)
    driver.start(third)
    driver.watchers = watchers
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    for event in later:
        watchers(event)
print(*driver.notes, sep="\\n")
"""


def test_a_full_disk_is_told(run_script, name):
    done = run_script(FULL_DISK)
    assert done.stdout.startswith(f"--log {name} is switched off (OSError: [Errno 27] File too large")
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


def test_results_elsewhere_have_their_logs_here(name, tmp_path, cache_dir, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serve("bucket") as uri, Driver([name], uri, cache_dir) as driver:
        driver.whole(driver.plan.trials[0])
    assert driver.notes == []
    points = READ[name](tmp_path / "results/s3/bucket/example")
    assert [steps(figures)["loss/cls"] for figures in points.values()] == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--log", "tensorbord"], "--log tensorbord: no such log; did you mean 'tensorboard'?"),
        (["--log", "mlflow", "--log", "csv"], "--log csv: no such log; known: mlflow, tensorboard, tune"),
    ],
)
def test_unknown_logs_are_refused_before_anything_else(arguments, message, capsys):
    assert main(["no_such_study", *arguments]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_missing_package_is_refused_with_what_to_install(monkeypatch):
    check_logs(["tensorboard", "mlflow", "tune"])
    monkeypatch.setitem(sys.modules, "mlflow", None)  # what Python does for one that cannot be imported
    with pytest.raises(UserError, match=r"not installed; pip install 'loss-weighting-study\[mlflow\]'"):
        check_logs(["mlflow"])
