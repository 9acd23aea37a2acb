"""What a cluster's file says of the machines that its autoscaler may start."""

from pathlib import Path

import yaml
from ray.autoscaler._private.util import prepare_config

from study.execute.machines import _declared

PROJECT = Path(__file__).parents[2]


def declared(name):
    return list(_declared(prepare_config(yaml.safe_load((PROJECT / name).read_text()))))


def test_types_of_machines_share_the_most_there_may_be():
    config = yaml.safe_load((PROJECT / "cluster.yaml").read_text())
    types = config["available_node_types"]
    assert sum(types[name]["max_workers"] for name in ("gpu_worker", "spot_worker")) > config["max_workers"]
    head, *workers = declared("cluster.yaml")
    assert head == {"CPU": 0}
    assert workers == [{"CPU": 4, "GPU": 1}] * config["max_workers"]


def test_those_that_are_preferred_come_first():
    types = {
        "head": {"resources": {"CPU": 2}},
        "small": {"resources": {"CPU": 4}, "max_workers": 3},
        "large": {"resources": {"CPU": 64}, "max_workers": 2, "priority": 1},
    }
    config = {"available_node_types": types, "head_node_type": "head", "max_workers": 3}
    assert list(_declared(config)) == [{"CPU": 2}, {"CPU": 64}, {"CPU": 64}, {"CPU": 4}]


def test_machines_of_ones_own_are_not_described():
    assert not any(declared("clusters/local.yaml"))


def test_without_a_file_there_are_none():
    assert list(_declared({})) == []
