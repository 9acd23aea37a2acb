"""A cluster of several nodes on this machine, in a process of its own: `python nodes.py PLACE [--dashboard] CPUS...`.

A head without CPUs and a node for every number given; `--dashboard` gives the head one, and a CPU. Prints the address,
and the dashboard's if there is one; then reads `kill I` (a node), `kill head` (its GCS) and `add CPUS` from stdin, and
says `done`. Ends with its input.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ports import free_ports


class Nodes:
    """Its remote control.

    Attributes:
        place: folder for its files.
        address: of the cluster.
        dashboard: its dashboard's; empty if there is none.
    """

    def __init__(self, place: str, process: subprocess.Popen[str]) -> None:
        self.place, self._process = place, process
        self.address, _, self.dashboard = self._read().partition(" ")

    def kill(self, index: int) -> None:
        """Kill all processes of a node."""
        self._tell(f"kill {index}")

    def kill_head(self) -> None:
        """Kill what holds the cluster together."""
        self._tell("kill head")

    def add(self, cpus: int) -> None:
        """One more node."""
        self._tell(f"add {cpus}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._read() == "done"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def nodes(*cpus: int, dashboard: bool = False, **variables: str) -> Iterator[Nodes]:
    """A cluster for as long as the context lasts, with these variables in its environment."""
    with tempfile.TemporaryDirectory(prefix="nodes-", dir="/tmp", ignore_cleanup_errors=True) as place:
        command = [sys.executable, __file__, place, *(["--dashboard"] if dashboard else []), *map(str, cpus)]
        environment = os.environ | variables
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Nodes(place, process)
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(60)


def _run(place: Path, cpus: list[int], *, dashboard: bool) -> None:
    # The word that Ray leaves of its last cluster belongs there, too: others on this machine would use it.
    os.environ["RAY_TMPDIR"] = str(place)
    (place / "ray").mkdir()
    from ray.cluster_utils import Cluster

    shared = {"include_dashboard": False, "object_store_memory": 2**27}
    # Jobs go through the head's agent, which does without its usual port if another Ray's still has it.
    (agent,) = free_ports(1)
    head = {"num_cpus": int(dashboard), **shared, "include_dashboard": dashboard, "dashboard_agent_listen_port": agent}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    workers = [cluster.add_node(num_cpus=count, **shared) for count in cpus]
    print(cluster.address, *([f"http://{cluster.webui_url}"] if dashboard else []), flush=True)
    for line in sys.stdin:
        word, number = line.split()
        if number == "head":
            cluster.head_node.kill_gcs_server(check_alive=False)
        elif word == "kill":
            cluster.remove_node(workers[int(number)], allow_graceful=False)
        else:
            workers.append(cluster.add_node(num_cpus=int(number), **shared))
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    place, *rest = sys.argv[1:]
    _run(Path(place), [int(text) for text in rest if text != "--dashboard"], dashboard="--dashboard" in rest)
