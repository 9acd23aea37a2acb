"""Ray starts and ends as a whole, whatever the user does meanwhile."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import ray
from ray.exceptions import RaySystemError
from tiny import open_study, tiny_study

from study.errors import ClusterError
from study.execute import run_study
from study.execute.cluster import connected


def children():
    return {child.name() for child in psutil.Process().children(recursive=True)}


def test_ctrl_c_while_ray_starts_takes_effect_when_it_has_started():
    before = signal.getsignal(signal.SIGINT)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as caught, connected(1):
        raise AssertionError("Ctrl-C came too late or never")
    places = [frame.filename for frame in traceback.extract_tb(caught.tb)]
    assert not [place for place in places if "/site-packages/ray/" in place]
    assert signal.getsignal(signal.SIGINT) is before
    assert not ray.is_initialized()
    assert not {"gcs_server", "raylet"} & children()
    with pytest.raises(RaySystemError, match="not been started"):
        ray.put(1)  # starts no second one


BREAKING = """
import os, sys, psutil, ray
from study.errors import ClusterError
from study.execute.cluster import connected
from study.execute.lost import get

class Sleeper:
    def pid(self):
        return os.getpid()

def children():
    return psutil.Process().children(recursive=True)

name = sys.argv[1]
try:
    with connected(1):
        actor = ray.remote(Sleeper).remote()
        worker = psutil.Process(get(actor.pid.remote()))
        (process,) = (child for child in children() if child.name() == name)
        process.kill()
        process.wait()
        if name == "raylet":
            worker.wait(5)  # it would write beside what comes next
        get(actor.pid.remote())
except ClusterError as error:
    print(error)
print("left:", {"gcs_server", "raylet", "ray::Sleeper"} & {child.name() for child in children()})
"""
"""A process of its own: Ray's core ends any process, up to a minute later, in which it has lost a part."""


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_ray_that_breaks_is_told_and_leaves_nothing(name):
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a longer path would not do for Ray
    command = [sys.executable, "-c", BREAKING, name]
    environment = {**os.environ, "TMPDIR": place, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    told, left = done.stdout.splitlines()[-2:]
    assert told.startswith(f"{name}, a process of Ray's, has ended")
    assert left == "left: set()"
    assert list(Path(place).iterdir()) == []


WAITING = """
import sys, time
import psutil
from study.execute.cluster import connected

with connected(1):
    (process,) = (child for child in psutil.Process().children(recursive=True) if child.name() == sys.argv[1])
    process.kill()
    time.sleep(60)
"""
"""A study whose main thread does not notice."""


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_ray_that_breaks_is_told_also_where_nobody_asks_for_it(name):
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    environment = {**os.environ, "TMPDIR": place, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WAITING, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {name}, a process of Ray's, has ended")
    assert line.endswith("the same command goes on from there")


STARTING = """
import threading, time
import psutil
from study.execute.cluster import connected

def kill():
    while not (found := [child for child in psutil.Process().children() if child.name() == "gcs_server"]):
        time.sleep(0.01)
    time.sleep(0.7)
    found[0].kill()

threading.Thread(target=kill).start()
with connected(1):
    time.sleep(60)
"""
"""A GCS that is killed while Ray starts, which would wait for it for a minute."""


def test_a_gcs_that_is_killed_while_ray_starts_is_told_within_seconds():
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    environment = {**os.environ, "TMPDIR": place, "PYTHONPATH": os.pathsep.join(sys.path)}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", STARTING], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert time.monotonic() - start < 45
    left = [p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("TMPDIR") == place]
    assert psutil.wait_procs(left, 10)[1] == []
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert line.startswith("error: gcs_server, a process of Ray's, has ended")


def test_ray_that_breaks_while_it_starts_is_told_in_a_line(monkeypatch):
    def init(*_, **__):  # of Ray's, once its GCS was killed: in earnest it gives up after half a minute
        raise Exception("The current node timed out during startup.\nThis could happen because")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError) as caught, connected(1):
        pass
    assert str(caught.value) == "Ray does not start on this machine: The current node timed out during startup."


def test_folders_of_killed_drivers_are_removed(monkeypatch):
    place = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    for name in ("old", "fresh"):
        (place / f"study-ray-{name}").mkdir()
    os.utime(place / "study-ray-old", (0, 0))
    with connected(1):
        assert not (place / "study-ray-old").exists()
        assert (place / "study-ray-fresh").exists()  # its driver may not have locked it yet
        os.utime(place / "study-ray-fresh", (0, 0))
    assert list(place.iterdir()) == []


def test_folders_of_killed_drivers_are_removed_also_where_nothing_is_left_to_run(monkeypatch, tmp_path, cache_dir):
    place = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    plan, store = open_study(tiny_study(), tmp_path, cache_dir)
    (place / "study-ray-old").mkdir()
    os.utime(place / "study-ray-old", (0, 0))
    run_study(replace(plan, done=frozenset(trial.trial_id for trial in plan.trials)), store, lambda _: None)
    assert list(place.iterdir()) == []
