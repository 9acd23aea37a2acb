"""What `ray up cluster.yaml` would do in an AWS account, in one that moto plays."""

import importlib.util
import json
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config

PROJECT = Path(__file__).parents[2]
REGION = "us-west-2"


@pytest.fixture
def account(monkeypatch, tmp_path):
    """An empty account, and the script that prepares one."""
    for name, value in (("ACCESS_KEY_ID", "some"), ("SECRET_ACCESS_KEY", "some"), ("DEFAULT_REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps the key for SSH there
    (tmp_path / ".ssh").mkdir()
    spec = importlib.util.spec_from_file_location("aws_account", PROJECT / "clusters" / "aws_account.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with mock_aws():
        yield script


def prepare(account, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["aws_account.py", *arguments])
    return account.main()


def test_a_bucket_and_two_roles_are_made_once(account, monkeypatch, capsys):
    for _ in range(2):
        assert prepare(account, monkeypatch, "our-results") == 0
    assert "put s3://our-results into cluster.yaml" in capsys.readouterr().out
    closed = boto3.client("s3").get_public_access_block(Bucket="our-results")["PublicAccessBlockConfiguration"]
    assert all(closed.values())
    for name in (account.HEAD, account.WORKER):
        (role,) = boto3.client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
        assert role["RoleName"] == name


def test_workers_may_keep_results_and_nothing_else(account, monkeypatch):
    prepare(account, monkeypatch, "our-results")
    policy = boto3.client("iam").get_role_policy(RoleName=account.WORKER, PolicyName="study")["PolicyDocument"]
    policy = json.loads(policy) if isinstance(policy, str) else policy
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert all(action.startswith("s3:") for action in actions)
    assert {resource["Resource"] for resource in policy["Statement"]} == {
        "arn:aws:s3:::our-results",
        "arn:aws:s3:::our-results/*",
    }


def test_a_bucket_that_others_own_is_one_line(account, monkeypatch, capsys):
    assert prepare(account, monkeypatch, "Not A Name") == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_ray_starts_these_machines_and_opens_ssh_alone(account, monkeypatch):
    prepare(account, monkeypatch, "our-results")
    config = bootstrap_aws(prepare_config(yaml.safe_load((PROJECT / "cluster.yaml").read_text())))
    ec2 = boto3.client("ec2")
    (group,) = ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [config["provider"]["security_group"]["GroupName"]]}]
    )["SecurityGroups"]
    for rule in group["IpPermissions"]:
        from_outside = rule["IpRanges"] or rule["Ipv6Ranges"]
        assert (rule.get("FromPort"), rule.get("ToPort")) == (22, 22) if from_outside else rule["UserIdGroupPairs"]
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for kind, name in (("spot_worker", account.WORKER), ("gpu_worker", account.WORKER), ("head", account.HEAD)):
        node_config = config["available_node_types"][kind]["node_config"]
        provider.create_node(node_config, {"ray-node-kind": kind}, 1)
        (machine,) = [
            instance
            for reservation in ec2.describe_instances()["Reservations"]
            for instance in reservation["Instances"]
            if {"Key": "ray-node-kind", "Value": kind} in instance["Tags"]
        ]
        assert machine["InstanceType"] == node_config["InstanceType"]
        assert machine["IamInstanceProfile"]["Arn"].endswith(f"/{name}")
        assert machine.get("InstanceLifecycle") == ("spot" if kind == "spot_worker" else None)
