"""Who can reach what a study starts."""

import subprocess
import sys

LISTENING = """
import ipaddress
import psutil, ray
from study.execute.cluster import connected

def listening(process):
    for connection in process.net_connections(kind="inet"):
        if connection.status == psutil.CONN_LISTEN:
            address = ipaddress.ip_address(connection.laddr.ip)
            yield process.name(), getattr(address, "ipv4_mapped", None) or address

with connected(1):
    ray.get(ray.remote(lambda: 1).remote())
    me = psutil.Process()
    found = {pair for process in [me, *me.children(recursive=True)] for pair in listening(process)}
    print("names:", len({name for name, _ in found}))
    print("beyond:", sorted(f"{name} {address}" for name, address in found if not address.is_loopback))
"""


def test_nothing_listens_beyond_loopback():
    done = subprocess.run([sys.executable, "-c", LISTENING], capture_output=True, text=True, check=True)
    names, beyond = done.stdout.splitlines()[-2:]
    assert int(names.removeprefix("names: ")) >= 3  # GCS, raylet, a worker: they do listen
    assert beyond == "beyond: []"
