"""Ctrl-C once finishes the epochs under way, and twice stops now: the command as it is typed, on a real Ray."""

import os
import signal
import subprocess
import sys

import pytest
from study_files import study_file

from study.results import LAST, ResultStore

KEPT = (
    "interrupted: finished trials and the checkpoints of unfinished ones are kept; the same command goes on from there"
)


@pytest.fixture
def start(tmp_path, cache_dir):
    processes = []

    def start(weighting, steps):
        text = study_file(
            train=f"epochs=9, steps_per_epoch={steps}, warmup_steps=2",
            weighting=f"faulty.Config({weighting})",
            imports="from user_parts import faulty",
            more="seeds=(0, 1),",
        )
        (tmp_path / "tiny.py").write_text(text)
        environment = {**os.environ, "LOSS_WEIGHTING_CACHE": str(cache_dir), "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-m", "study.run", "tiny.py"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, ResultStore(tmp_path / "results", "tiny")

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def read_until(process, text):
    while text not in (line := process.stdout.readline()):
        assert line, process.communicate()


def test_once_finishes_and_saves_the_epochs_under_way(start):
    process, store = start(weighting='action="slow"', steps=60)
    read_until(process, "epoch 1/9")
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=200)
    assert (process.returncode, errors.splitlines()) == (130, [KEPT])
    assert "interrupted: epochs under way are finished and saved; Ctrl-C again stops now" in told
    assert "epoch 2/9" in told
    rows = store.trials()
    assert {row["status"] for row in rows} == {"interrupted"}
    assert max(row["epochs"] for row in rows) == 2  # the one under way when Ctrl-C came, and none after it
    assert all(store.has_checkpoint(row["trial_id"], LAST) for row in rows)
    assert not {"lost", "running"} & {entry["status"] for entry in store.ledger()}


def test_twice_stops_now(start):
    process, store = start(weighting='action="hang", at_step=4', steps=4)
    read_until(process, "epoch 1/9")
    process.send_signal(signal.SIGINT)
    read_until(process, "Ctrl-C again stops now")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=200)  # their next step takes an hour
    assert (process.returncode, errors.splitlines()) == (130, [KEPT])
    rows = store.trials()
    assert {(row["status"], row["epochs"]) for row in rows} <= {("interrupted", 0), ("interrupted", 1)}
    assert any(store.has_checkpoint(row["trial_id"], LAST) for row in rows)
    assert "running" not in {entry["status"] for entry in store.ledger()}
