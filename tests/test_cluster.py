"""cluster.yaml against Ray's own schema, offline."""

import copy
from pathlib import Path

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[1] / "cluster.yaml"


def test_ray_accepts_the_file():
    config = prepare_config(yaml.safe_load(CLUSTER.read_text()))
    validate_config(config)
    assert config["head_node_type"] in config["available_node_types"]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


def test_the_check_can_fail():
    config = copy.deepcopy(yaml.safe_load(CLUSTER.read_text()))
    config["available_node_types"]["gpu_worker"]["node_conifg"] = {}
    with pytest.raises(ValidationError):
        validate_config(prepare_config(config))
