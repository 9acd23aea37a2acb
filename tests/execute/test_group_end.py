"""How long a worker group holds its devices after Ray says that it has ended."""

import subprocess
import sys
import threading
import time

import psutil

from study.execute.group import wait_for_end


def sleeper(seconds: float) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    threading.Thread(target=process.wait, daemon=True).start()  # whoever ended is no zombie
    return process


def test_workers_of_this_node_are_waited_for_and_others_are_not():
    here, there = sleeper(1.5), sleeper(60)
    try:
        start = time.monotonic()
        wait_for_end([("here", here.pid), ("there", there.pid)], "here")
        assert time.monotonic() - start > 0.5
        assert not psutil.pid_exists(here.pid)
        assert there.poll() is None
        wait_for_end([("here", here.pid)], "here")
    finally:
        there.kill()


def test_a_worker_that_does_not_end_is_not_waited_for_without_end():
    stays = sleeper(60)
    try:
        start = time.monotonic()
        wait_for_end([("here", stays.pid)], "here", timeout_seconds=0.3)
        assert 0.3 <= time.monotonic() - start < 10
    finally:
        stays.kill()
