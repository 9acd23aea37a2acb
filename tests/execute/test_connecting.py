"""Ray starts and ends as a whole, whatever the user does meanwhile."""

import os
import signal
import threading
import traceback

import psutil
import pytest
import ray

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
