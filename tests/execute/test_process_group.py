"""Workers of a trial find each other on the network that their machines share."""

import os

import psutil
import pytest
import ray
import torch.distributed as dist

from study.execute import process_group

NAMES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@pytest.fixture
def join(monkeypatch):
    """Joins a group of one, which is left at the end; what it sets is unset."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield lambda: process_group.join("gloo", process_group.listen(ray.util.get_node_ip_address()), 0, 1)
    dist.destroy_process_group()


def test_they_take_the_interface_of_their_own_address(join):
    join()
    for name in NAMES:
        addresses = [entry.address for entry in psutil.net_if_addrs()[os.environ[name]]]
        assert ray.util.get_node_ip_address() in addresses


def test_they_keep_the_interface_that_the_user_names(join, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    join()
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
