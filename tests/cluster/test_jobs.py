"""A study that is submitted as a job through the dashboard."""

import os
import subprocess
import sys
import time

from nodes import nodes
from slow_trials import write_study

from study.results import load


def submit(cluster, *arguments, folder=None):
    command = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--address", cluster.dashboard]
    command += [f"--working-dir={folder}"] if folder else []
    command += ["--", sys.executable, "-m", "study.run", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}  # it would come first
    until = time.monotonic() + 100
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        out = done.stdout + done.stderr
        if "No available agent" not in out or time.monotonic() > until:  # it comes seconds after the head
            return done.returncode, out


def test_a_job_runs_a_study_of_the_folder_that_came_with_it_and_tells_mistakes(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    write_study(mine)
    with nodes(dashboard=True) as cluster:  # one node: several on one machine would delete each other's folder of a job
        code, out = submit(cluster, "tiny.py", "--results", tmp_path / "results", folder=mine)
        assert code == 0, out
        assert "4 trials" in out
        code, out = submit(cluster, "hwf_gird", "--results", tmp_path / "results")
        assert code == 1  # whatever the command's own code was
        assert "hwf_grid" in out
        assert "exit code 2" in out
    table = load(tmp_path / "results" / "tiny")
    assert list(table["status"]) == ["completed"] * 4
