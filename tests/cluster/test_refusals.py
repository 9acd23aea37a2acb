"""What a cluster cannot do is told in a line, with exit code 2, before any device is held."""

import json
import os
import subprocess
import sys

import pytest
from nodes import nodes
from study_files import study_file

from study.data.presets import ensure_drawn

PRETEND = """
import json, sys
from ray._raylet import GcsClient

client, changes = GcsClient(address=sys.argv[1]), json.loads(sys.argv[2])
found = json.loads(client.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster"))
told = json.dumps(found | changes).encode()
client.internal_kv_put(b"CLUSTER_METADATA", told, overwrite=True, namespace=b"cluster")
print(json.dumps({name: found[name] for name in changes}))
"""
"""Has a cluster say that it runs other versions, as one that does has it in its control store."""


@pytest.fixture(scope="module")
def address():
    with nodes(1) as cluster:
        yield cluster.address


@pytest.fixture
def refused(tmp_path):
    """Runs the study at an address; gives the one line that it says."""

    def run(address, *arguments, **variables):
        (tmp_path / "tiny.py").write_text(study_file(train="epochs=1, steps_per_epoch=2, warmup_steps=1"))
        paths = {"LOSS_WEIGHTING_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "study.run", "tiny.py", *arguments]
        environment = os.environ | paths | {"RAY_ADDRESS": address, **variables}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 2, done.stdout + done.stderr
        (line,) = done.stderr.splitlines()
        assert list((tmp_path / "results" / "tiny" / "ledger").iterdir()) == []
        return line

    return run


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379"])
def test_a_cluster_that_is_not_there(address, refused):
    line = refused(address)
    assert line.startswith(f"error: RAY_ADDRESS={address}: ")
    assert line.endswith("start the cluster, or see to the address, or set RAY_ADDRESS=local to run on this machine")


def test_a_driver_that_is_no_part_of_the_cluster(refused):
    line = refused("ray://127.0.0.1:10001")
    assert line.startswith("error: RAY_ADDRESS=ray://127.0.0.1:10001: expected HOST:PORT; ")
    assert "`ray job submit`" in line


@pytest.mark.parametrize("package", ["ray_version", "python_version"])
def test_a_cluster_of_other_versions(package, address, refused):
    command = [sys.executable, "-c", PRETEND, address]
    before = subprocess.run(
        [*command, json.dumps({package: "1.2.3"})], capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]
    try:
        line = refused(address)
    finally:
        subprocess.run([*command, before], check=True, stdout=subprocess.DEVNULL)
    assert line.startswith(f"error: RAY_ADDRESS={address}: Version mismatch")
    assert "1.2.3" in line
    assert json.loads(before)[package] in line  # ours
    assert "install the cluster's versions here (constraints.txt), or set RAY_ADDRESS=local" in line


def test_a_cluster_that_asks_for_another_token(refused):
    with nodes(1, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 32) as cluster:
        for variables in ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "b" * 32}, {"RAY_AUTH_MODE": "disabled"}):
            line = refused(cluster.address, **variables)
            assert line.startswith(f"error: RAY_ADDRESS={cluster.address}: ")
            assert "set RAY_AUTH_MODE=token and give this machine the cluster's ~/.ray/auth_token, or set " in line


def test_a_cluster_without_the_devices_that_are_asked_for(address, refused):
    line = refused(address, "--set", "execution.gpus_per_worker=1")
    assert "GPU" in line
    assert "1 CPU" in line  # what it has
    assert line.endswith("or give --wait to wait for machines that join")


def test_results_that_only_the_driver_sees(address, refused):
    folder = "/proc/self/cwd/results"  # a path that means something else to each process
    line = refused(address, "--results", folder)
    assert line.startswith(f"error: results: {folder}/tiny is another folder on ")
    assert line.endswith("give one that all machines share, or an address such as s3://BUCKET/FOLDER")


def test_data_that_only_the_driver_has(address, refused, tmp_path):
    drawn = ensure_drawn("tiny", tmp_path / "cache")
    train, val, *_ = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    (tmp_path / "mot").symlink_to(drawn)
    folder = "/proc/self/cwd/mot"  # a path that means something else to each process
    line = refused(address, "--data", folder, "--train", train, "--val", val)
    assert line.startswith(f"error: data.root: {folder}: no such folder on ")
    assert line.endswith("give one that all machines share, or an address such as s3://BUCKET/FOLDER")
