"""Studies on several nodes: trials are spread, a lost node's trials go on elsewhere."""

import time

import pandas as pd
import pytest
from nodes import nodes
from slow_trials import most_at_once, running, start, wait_until, write_study

from study.results import LAST, comparable, load


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path)


def rows(results):
    """All that trials left, but for time, memory, host and date."""
    keys = ["trial_id", "epoch", "step", "split", "task", "sequence"]
    found = {}
    for name in ("trials", "epochs", "steps", "sequences"):
        table = comparable(load(results / "tiny", name))
        found[name] = table.sort_values([key for key in keys if key in table], ignore_index=True)
    return found


def saved(results):
    """Trials that have a checkpoint."""
    return {file.parent.name for file in (results / "tiny" / "checkpoints").glob(f"*/{LAST}.pt")}


def test_a_lost_node_costs_an_attempt_and_no_row(study, tmp_path):
    undisturbed, results = tmp_path / "undisturbed", tmp_path / "results"
    process = start(study, undisturbed, "local")
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    with nodes(1, 1) as cluster:
        process = start(study, results, cluster.address)
        wait_until(lambda: len(saved(results)) == 2, process)
        cluster.kill(0)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert most_at_once(results) == 2  # with a core each: on both nodes
    assert "goes on from its last checkpoint" in out
    (lost,) = load(results / "tiny", "ledger").query("kind == 'attempt' and status == 'lost'")["trial_id"]
    assert "goes on after epoch" in (results / "tiny" / "logs" / f"{lost}.log").read_text()
    for name, table in rows(undisturbed).items():
        pd.testing.assert_frame_equal(rows(results)[name], table)


def test_a_study_finds_the_cluster_of_its_machine_and_uses_a_node_that_joins(study, tmp_path):
    results, gate = tmp_path / "results", tmp_path / "gate"
    gate.touch()
    with nodes(1) as cluster:
        process = start(study, results, None, RAY_TMPDIR=cluster.place)
        wait_until(lambda: running(results) == 1, process)
        cluster.add(1)
        wait_until(lambda: running(results) == 2, process)
        gate.unlink()
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


def test_a_lost_head_is_told_in_a_line(study, tmp_path):
    results = tmp_path / "results"
    with nodes(1) as cluster:
        process = start(study, results, cluster.address)
        wait_until(lambda: saved(results), process)
        cluster.kill_head()
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 1, out
    told = [line for line in out.splitlines() if line.startswith("error: ")]
    assert len(told) == 1
    assert told[0].startswith("error: gcs_server, a process of Ray's, has ended")
    assert out.splitlines()[-1] == told[0]
