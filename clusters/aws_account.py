"""`python clusters/aws_account.py BUCKET`: what `ray up cluster.yaml` needs in an AWS account, once.

A private bucket for results, and two roles with no more rights than their machines use: the head's starts and ends
workers, both read and write that bucket. Run again, it changes only what differs. Needs `pip install -e '.[aws]'` and
credentials that may create buckets and roles.
"""

import argparse
import json
import sys
from contextlib import suppress
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

HEAD, WORKER = "loss-weighting-study-head", "loss-weighting-study-worker"
"""Roles, and instance profiles of the same names, in cluster.yaml."""


def bucket_rights(bucket: str) -> list[dict[str, Any]]:
    """Statements that let a machine keep results in a bucket."""
    return [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
            "Resource": f"arn:aws:s3:::{bucket}",
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": f"arn:aws:s3:::{bucket}/*",
        },
    ]


def autoscaler_rights(account: str, region: str) -> list[dict[str, Any]]:
    """Statements that let the head start and end workers: those that carry a cluster's tag, in one region."""
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    tagged = {"StringEquals": {"aws:ResourceTag/ray-cluster-name": "loss-weighting-study"}}
    return [
        {
            "Effect": "Allow",
            "Action": ["ec2:RunInstances", "ec2:CreateTags", "ec2:Describe*"],
            "Resource": "*",
            "Condition": here,
        },
        {"Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": "*", "Condition": tagged},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": f"arn:aws:iam::{account}:role/{WORKER}"},
        {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "arn:aws:ssm:*::parameter/aws/service/*"},
    ]


def make_bucket(bucket: str, region: str) -> None:
    """A bucket that nobody else can read, encrypted."""
    s3 = boto3.client("s3", region_name=region)
    # us-east-1 is the one region that must not be named.
    place: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, **place)
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)


def make_role(name: str, statements: list[dict[str, Any]]) -> None:
    """A role that machines can take, with these rights and no others of ours, in a profile of the same name."""
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))
    iam.put_role_policy(RoleName=name, PolicyName="study", PolicyDocument=_policy(statements))
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_instance_profile(InstanceProfileName=name)
    if not iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def main() -> int:
    """Make what is missing; 2 if AWS refuses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bucket", metavar="BUCKET", help="its name, unique in all of AWS")
    parser.add_argument("--region", default="us-west-2", help="as in cluster.yaml (default: %(default)s)")
    options = parser.parse_args()
    try:
        account = boto3.client("sts", region_name=options.region).get_caller_identity()["Account"]
        make_bucket(options.bucket, options.region)
        make_role(WORKER, bucket_rights(options.bucket))
        make_role(HEAD, bucket_rights(options.bucket) + autoscaler_rights(account, options.region))
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"bucket {options.bucket}, roles {HEAD} and {WORKER}; put s3://{options.bucket} into cluster.yaml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
