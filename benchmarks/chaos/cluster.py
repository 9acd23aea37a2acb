"""The project's cluster.yaml, brought up by `ray up` on machines in namespaces."""

import os
import subprocess
import sys
import time
from pathlib import Path

import yaml
from driver import Driver
from machines import Machines, serve

PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent
UP_SECONDS = 300.0
IDLE_MINUTES = 0.5
WORKERS = 2

HEAD, WORKER = ({"ray-node-type": kind} for kind in ("head", "worker"))
"""Ray's tags of machines."""

_AMAZONS = ("apt-get", "make setup", "uv pip")
"""Commands for machines that have nothing yet."""


class Cluster:
    """A head, and up to two workers with one core each.

    Args:
        place: folder for the machines.
        log: takes what `ray up` and `ray down` say.
    """

    def __init__(self, place: Path, log: Path) -> None:
        self._desk, self._log = place / "desk", log
        self._desk.mkdir()
        self._environment = {
            "HOME": str(self._desk),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(HERE),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_UP_enable_autoscaler_v2": "1",
        }
        self.machines = Machines(place)
        serve(self.machines, place / "door")
        self._file = self._desk / "cluster.yaml"
        self._file.write_text(yaml.safe_dump(self._config(place / "door")))
        self._ray("get-auth-token", "--generate", told=False)

    @property
    def head(self) -> str:
        """Name of the machine."""
        (name,) = self.machines.names(HEAD)
        return name

    @property
    def workers(self) -> list[str]:
        """Names of those there are now."""
        return self.machines.names(WORKER)

    def up(self) -> float:
        """`ray up`; returns the seconds that it took."""
        start = time.monotonic()
        self._ray("up", "--yes", "--no-config-cache", str(self._file))
        return time.monotonic() - start

    def down(self) -> float:
        """`ray down`; returns the seconds that it took."""
        start = time.monotonic()
        self._ray("down", "--yes", str(self._file))
        return time.monotonic() - start

    def study(self, study: Path, results: Path, *more: str) -> Driver:
        """`python -m study.run`, on the head, which finds the cluster by itself."""
        within = self.machines.command(self.head, 'cd ~/loss-weighting-study && exec "$0" "$@"')
        return Driver(["-m", "study.run", str(study), "--results", str(results), *more], {}, within)

    def submit(self, study: Path, results: Path, *more: str) -> Driver:
        """The same as a job, through the dashboard; the folder of the study file goes along."""
        command = ["-m", "ray.scripts.scripts", "job", "submit", "--address", "http://127.0.0.1:8265"]
        command += ["--working-dir", str(study.parent), "--", sys.executable, "-m", "study.run", study.name]
        within = self.machines.command(self.head, 'exec "$0" "$@"')
        return Driver([*command, "--results", str(results), *more], {}, within)

    def _ray(self, *arguments: str, told: bool = True) -> None:
        """Run it as on the desk of whoever starts the cluster; what it says is kept if it is to be `told`."""
        with self._log.open("a") as log:
            log.write(f"\n$ ray {' '.join(arguments)}\n")
            log.flush()
            done = subprocess.run(
                [sys.executable, "-m", "ray.scripts.scripts", *arguments],
                cwd=self._desk,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log if told else subprocess.DEVNULL,
                stderr=log,
                timeout=UP_SECONDS,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"ray {arguments[0]} ends with code {done.returncode}; {self._log} says more")

    def _config(self, door: Path) -> dict[str, object]:
        """cluster.yaml with other machines, on which the project and its environment are already."""
        config = yaml.safe_load((PROJECT / "cluster.yaml").read_text())
        # Links, because Ray reads every file of a folder that it is to copy, the environment's too.
        project = self._desk / "project"
        project.mkdir()
        for path in PROJECT.iterdir():
            (project / path.name).symlink_to(path)
        *others, start = config["head_start_ray_commands"]
        return config | {
            "max_workers": WORKERS,
            "idle_timeout_minutes": IDLE_MINUTES,
            "provider": {"type": "external", "module": "node_provider.NamespaceProvider", "socket": str(door)},
            "auth": {"ssh_user": "root"},
            "available_node_types": {
                "head": {"resources": {"CPU": 0}, "node_config": {}},
                "worker": {"min_workers": 0, "max_workers": WORKERS, "resources": {"CPU": 1}, "node_config": {}},
            },
            "file_mounts": config["file_mounts"] | {"~/loss-weighting-study": str(project)},
            "setup_commands": [c for c in config["setup_commands"] if not any(word in c for word in _AMAZONS)],
            "initialization_commands": [],
            "head_setup_commands": [],
            "worker_setup_commands": [],
            "cluster_synced_files": [],
            "head_start_ray_commands": [*others, f"PYTHONPATH={HERE} {start}"],
        }
