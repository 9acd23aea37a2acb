"""Ray starts and ends as a whole, whatever the user does meanwhile."""

import os
import signal
import tempfile
import threading
import traceback
from pathlib import Path

import psutil
import pytest
import ray
from ray.exceptions import RaySystemError

from study.errors import ClusterError
from study.execute.cluster import connected
from study.execute.lost import get


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


class Sleeper:
    def pid(self):
        return os.getpid()


def break_ray(name):
    """Kill a process of Ray's, then use Ray; returns never."""
    actor = ray.remote(Sleeper).remote()
    worker = psutil.Process(get(actor.pid.remote()))
    (process,) = (child for child in psutil.Process().children(recursive=True) if child.name() == name)
    process.kill()
    process.wait()
    if name == "raylet":
        worker.wait(5)  # it would write beside the workers of the next run
    get(actor.pid.remote())


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_ray_that_breaks_is_told_and_leaves_nothing(name, monkeypatch):
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a longer path would not do for Ray
    monkeypatch.setattr(tempfile, "tempdir", place)
    with pytest.raises(ClusterError, match=f"^{name}, a process of Ray's, has ended"), connected(1):
        break_ray(name)
    assert not {"gcs_server", "raylet", "ray::Sleeper"} & children()
    assert list(Path(place).iterdir()) == []


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
