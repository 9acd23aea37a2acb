"""A cluster whose autoscaler starts machines for queued trials, and ends idle ones: Ray's own that fakes machines."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import ray
import yaml
from ports import free_ports
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID, FakeMultiNodeProvider
from slow_trials import running, start, wait_until, write_study

from study.results import load

IDLE_SECONDS = 15

COMMANDS = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
"""That a file has to name, though machines that are faked run none."""


class Autoscaled:
    """A head without CPUs, whose autoscaler may start two workers of one CPU each; all their files are in `place`."""

    def __init__(self, place: Path) -> None:
        port, agent = free_ports(2)  # the agent's usual one may be the other
        self.address = f"{ray.util.get_node_ip_address()}:{port}"
        self.place = place
        file = place / "cluster.yaml"
        file.write_text(yaml.safe_dump(self._config()))
        variables = {
            "RAY_TMPDIR": str(place),
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
            "RAY_NODE_TYPE_NAME": "ray.head.default",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        }
        command = ["start", "--head", "--block", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"]
        command += [f"--dashboard-agent-listen-port={agent}", f"--object-store-memory={2**27}"]
        command += [f"--autoscaling-config={file}"]
        with (place / "out").open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", *command],
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def _config(self):
        provider = {
            # Ray's installation lacks a file that its own name for this asks for.
            "type": "external",
            "module": f"{FakeMultiNodeProvider.__module__}.{FakeMultiNodeProvider.__name__}",
            "gcs_address": self.address,
            "head_node_id": FAKE_HEAD_NODE_ID,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
        }
        store = 2**27
        worker = {"CPU": 1, "object_store_memory": store}
        return {
            "cluster_name": "autoscaled",
            "max_workers": 2,
            "idle_timeout_minutes": IDLE_SECONDS / 60,
            "provider": provider,
            "auth": {},
            "file_mounts": {},
            "cluster_synced_files": [],
            **{f"{word}_commands": [] for word in COMMANDS},
            "head_node_type": "ray.head.default",
            "available_node_types": {
                "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                "worker": {"resources": worker, "node_config": {}, "min_workers": 0, "max_workers": 2},
            },
        }

    def wait(self):
        """Until it has started."""
        until = time.monotonic() + 200
        while "Ray runtime started" not in (text := (self.place / "out").read_text()):
            assert self.process.poll() is None, text
            assert time.monotonic() < until, text
            time.sleep(0.2)

    def workers(self):
        """Machines that the autoscaler has started: each has a raylet."""
        return [p for p in self._processes() if p.name() == "raylet" and self._kind(p) == "worker"]

    def end(self):
        """Kill all that works in its folder."""
        while processes := self._processes():
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, 10)
        self.process.wait()

    def _processes(self):
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("RAY_TMPDIR") == str(self.place):
                    found.append(process)
        return found

    def _kind(self, process):
        with suppress(psutil.Error):
            return process.environ().get("RAY_NODE_TYPE_NAME")
        return None


@contextmanager
def autoscaled():
    """Such a cluster for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="auto-", dir="/tmp", ignore_cleanup_errors=True) as place:
        cluster = Autoscaled(Path(place))
        try:
            cluster.wait()
            yield cluster
        finally:
            cluster.end()


@pytest.mark.timeout(600)  # machines come one after the other, and go when they have been idle for a while
def test_machines_come_for_queued_trials_and_go_when_idle(tmp_path):
    results, gate = tmp_path / "results", tmp_path / "gate"
    study = write_study(tmp_path)
    gate.touch()
    with autoscaled() as cluster:
        assert cluster.workers() == []
        process = start(study, results, cluster.address)
        wait_until(lambda: running(results) == 2, process)
        assert len(cluster.workers()) == 2
        gate.unlink()
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
        until = time.monotonic() + 120
        while cluster.workers():
            assert time.monotonic() < until
            time.sleep(0.5)
        assert cluster.process.poll() is None  # the head stays
    assert set(load(results / "tiny")["status"]) == {"completed"}
