"""Studies on several nodes: trials are spread, a lost node's trials go on elsewhere."""

import os
import subprocess
import sys
import time

import pandas as pd
import pytest
from nodes import nodes

from study.results import comparable, load

STUDY = """
from study.config import Data, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
import slow

STUDY = Study(
    name="tiny",
    description="a test",
    data=Data(root="synthetic:tiny", image_size=(96, 64)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting=slow.Config(),
    train=Train(epochs=4, steps_per_epoch=4, batch_size=2, log_every=1, warmup_steps=2),
    seeds=(0, 1, 2, 3),
)
"""

SLOW = '''
"""Equal weights, in steps that take a while; a part of the user's own beside the study file."""
import time

from study.config import WeightingConfig
from study.weighting.hwf import HardWeightingFactors


class Config(WeightingConfig):
    def build(self, tasks):
        return Slow(tasks, [1.0] * len(tasks))


class Slow(HardWeightingFactors):
    def forward(self, losses, gramian=None):
        time.sleep(0.3)
        return super().forward(losses, gramian)
'''


@pytest.fixture
def study(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "tiny.py").write_text(STUDY)
    return tmp_path / "tiny.py"


def start(study, results, address, *more):
    environment = {**os.environ, "RAY_ADDRESS": address, "LOSS_WEIGHTING_RESULTS": str(results)}
    command = [sys.executable, "-m", "study.run", str(study), *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def rows(results):
    """All that trials left, but for time, memory, host and date."""
    keys = ["trial_id", "epoch", "step", "split", "task", "sequence"]
    found = {}
    for name in ("trials", "epochs", "steps", "sequences"):
        table = comparable(load(results / "tiny", name))
        found[name] = table.sort_values([key for key in keys if key in table], ignore_index=True)
    return found


def wait_until(condition, process, seconds=150):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)


def started(results):
    """Trials that have rows of an epoch."""
    return {file.stem for file in (results / "tiny" / "epochs").glob("*.parquet")}


def most_at_once(results):
    """Worker groups that worked on trials at the same time."""
    attempts = load(results / "tiny", "ledger").query("kind == 'attempt'")
    spans = [
        (begin.timestamp(), begin.timestamp() + held)
        for begin, held in zip(attempts["started_at"], attempts["held_seconds"], strict=True)
    ]
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


def test_a_lost_node_costs_an_attempt_and_no_row(study, tmp_path):
    undisturbed, results = tmp_path / "undisturbed", tmp_path / "results"
    process = start(study, undisturbed, "local")
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    with nodes(1, 1) as cluster:
        process = start(study, results, cluster.address)
        wait_until(lambda: len(started(results)) >= 2, process)
        cluster.kill(0)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert most_at_once(results) == 2  # with a core each: on both nodes
    assert "goes on from its last checkpoint" in out
    assert "lost" in set(load(results / "tiny", "ledger").query("kind == 'attempt'")["status"])
    for name, table in rows(undisturbed).items():
        pd.testing.assert_frame_equal(rows(results)[name], table)


def test_a_node_that_joins_is_used(study, tmp_path):
    results = tmp_path / "results"
    with nodes(1) as cluster:
        process = start(study, results, cluster.address)
        wait_until(lambda: started(results), process)
        cluster.add(1)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert most_at_once(results) == 2


def test_a_cluster_where_nothing_fits_says_what_it_has_or_waits(study, tmp_path):
    with nodes() as cluster:
        process = start(study, tmp_path / "results", cluster.address)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 2
        assert "a trial needs 1 x 1 CPUs" in out
        assert "or give --wait to wait for machines that join" in out
        process = start(study, tmp_path / "results", cluster.address, "--wait")
        wait_until(lambda: (tmp_path / "results" / "tiny").exists(), process)
        time.sleep(5)
        cluster.add(2)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert "waiting for machines: " in out
