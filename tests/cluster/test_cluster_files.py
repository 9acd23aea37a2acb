"""cluster.yaml and its variants, offline: Ray's schema, and what it does not look at (machines, files, ports)."""

import copy
import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from botocore.session import get_session
from botocore.validate import ParamValidator
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

PROJECT = Path(__file__).parents[2]
FILES = ("cluster.yaml", "clusters/gcp.yaml", "clusters/local.yaml")
PROVIDER_KEYS = {
    "aws": {"type", "region", "availability_zone", "cache_stopped_nodes", "use_internal_ips", "security_group"},
    "gcp": {"type", "region", "availability_zone", "project_id", "cache_stopped_nodes"},
    "local": {"type", "head_ip", "worker_ips"},
}
"""Ray's schema lets any key of `provider` through, so also misspelt ones."""


def read(name):
    return yaml.safe_load((PROJECT / name).read_text())


@pytest.mark.parametrize("name", FILES)
def test_ray_accepts_the_file(name):
    config = prepare_config(read(name))
    validate_config(config)
    assert config["head_node_type"] in config["available_node_types"]
    assert set(read(name)["provider"]) <= PROVIDER_KEYS[config["provider"]["type"]]


def test_the_check_can_fail():
    config = copy.deepcopy(read("cluster.yaml"))
    config["available_node_types"]["gpu_worker"]["node_conifg"] = {}
    with pytest.raises(ValidationError):
        validate_config(prepare_config(config))


@pytest.mark.parametrize("name", FILES)
def test_nothing_listens_beyond_the_cluster_and_idle_machines_end(name):
    config = read(name)
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]
    assert 0 < config["idle_timeout_minutes"] <= 30
    assert config["max_workers"] > 0
    assert config["provider"].get("cache_stopped_nodes", False) is False


@pytest.mark.parametrize("name", ["cluster.yaml", "clusters/gcp.yaml"])
def test_spot_machines_come_before_on_demand_ones_and_none_waits(name):
    types = read(name)["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["spot_worker"]["priority"] > types["gpu_worker"].get("priority", 0)
    assert types["spot_worker"]["resources"] == types["gpu_worker"]["resources"]
    assert types["spot_worker"]["min_workers"] == types["gpu_worker"]["min_workers"] == 0


def test_variants_set_up_the_same_environment():
    first, *others = (read(name) for name in FILES)
    for other in others:
        for key in (
            "file_mounts",
            "rsync_exclude",
            "rsync_filter",
            "worker_start_ray_commands",
            "auth",
            "cluster_name",
        ):
            if key != "auth":
                assert other[key] == first[key]
        same = [command.replace("gs://", "s3://") for command in other["setup_commands"]]
        assert same == first["setup_commands"]
        assert other["head_start_ray_commands"] == first["head_start_ray_commands"]


@pytest.mark.parametrize("name", FILES)
def test_the_environment_is_the_projects_own_and_results_go_to_a_store(name):
    config = read(name)
    commands = config["setup_commands"] + config.get("head_setup_commands", [])
    assert "cd ~/loss-weighting-study && make setup" in commands  # as the README has it
    assert all("--constraint constraints.txt" in command for command in commands if "pip install" in command)
    scheme = "gs" if config["provider"]["type"] == "gcp" else "s3"
    assert any(f"export LOSS_WEIGHTING_RESULTS={scheme}://YOUR-BUCKET/results " in command for command in commands)


def aws_errors(node_config):
    """What Amazon's own description of RunInstances says against a machine."""
    shape = get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    return ParamValidator().validate({"MinCount": 1, "MaxCount": 1, **node_config}, shape).generate_report()


def test_aws_knows_what_machines_are_asked_for():
    for node_type in read("cluster.yaml")["available_node_types"].values():
        assert aws_errors(node_type["node_config"]) == ""
    assert "IamInstanceProfil" in aws_errors({"IamInstanceProfil": {"Name": "some"}})


def gcp_errors(value, schema, schemas, path="node_config"):
    """Keys and enumerated values that Google's own description of an Instance does not have."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    if isinstance(value, dict) and "properties" in schema:
        unknown = [f"{path}.{key}" for key in value if key not in schema["properties"]]
        known = {key: part for key, part in value.items() if key in schema["properties"]}
        nested = (gcp_errors(part, schema["properties"][key], schemas, f"{path}.{key}") for key, part in known.items())
        return unknown + [error for errors in nested for error in errors]
    if isinstance(value, list):
        return [error for part in value for error in gcp_errors(part, schema["items"], schemas, path)]
    return [f"{path}={value}"] if "enum" in schema and value not in schema["enum"] else []


def test_google_knows_what_machines_are_asked_for():
    document = files("googleapiclient.discovery_cache.documents") / "compute.v1.json"
    schemas = json.loads(document.read_text())["schemas"]
    for node_type in read("clusters/gcp.yaml")["available_node_types"].values():
        assert gcp_errors(node_type["node_config"], {"$ref": "Instance"}, schemas) == []
    wrong = {"scheduling": {"provisioningModel": "SPOTTY"}, "machinetype": "g2"}
    assert gcp_errors(wrong, {"$ref": "Instance"}, schemas) == [
        "node_config.machinetype",
        "node_config.scheduling.provisioningModel=SPOTTY",
    ]
