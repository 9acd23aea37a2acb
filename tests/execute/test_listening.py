"""Who can reach what a study starts."""

import os
import subprocess
import sys

LISTENING = """
import ray
from listening import listening
from study.execute.cluster import connected

with connected(1):
    ray.get(ray.remote(lambda: 1).remote())
    found = set(listening())
    print("names:", len({name for name, _ in found}))
    print("beyond:", sorted(f"{name} {address}" for name, address in found if not address.is_loopback))
"""


def test_nothing_listens_beyond_loopback():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LISTENING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    names, beyond = done.stdout.splitlines()[-2:]
    assert int(names.removeprefix("names: ")) >= 3  # GCS, raylet, a worker: they do listen
    assert beyond == "beyond: []"


GROUP = """
import ipaddress, os, sys
import psutil
from study.execute.process_group import join, listen

place = listen("127.0.0.1")
rank = 0 if os.fork() else 1
join("gloo", place, rank, 2)
import torch
import torch.distributed as dist

total = torch.ones(1)
dist.all_reduce(total)
assert total.item() == 2
own = [c.laddr.ip for c in psutil.Process().net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
dist.barrier()
beyond = [ip for ip in own if not ipaddress.ip_address(ip).is_loopback]
os.write(1, f"{len(own)} beyond: {beyond}\\n".encode())  # at once: both write to one pipe
dist.barrier()
if rank == 0:
    os.wait()
dist.destroy_process_group()
os._exit(0)
"""
"""A group of two workers: the store of torch, whose socket the fork shares, and gloo in each."""


def test_workers_of_a_trial_listen_on_loopback_alone():
    done = subprocess.run([sys.executable, "-c", GROUP], capture_output=True, text=True, timeout=280, check=True)
    assert sorted(done.stdout.splitlines()) == ["2 beyond: []"] * 2
