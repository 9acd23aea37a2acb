"""Machines in namespaces of Linux: each has an address, a name, processes and a home folder of its own.

They share this machine's disk, cores and Python environment. All of them, and the network between them, are in
namespaces of the process that makes them (`isolated`): nothing outlives it, nothing outside sees them.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

_NAMESPACES = ("--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")
_NETWORK = "10.77.0"
_INSIDE = "CHAOS_NAMESPACE"
_READY_SECONDS = 10.0
_KNOCK_SECONDS = 2.0
_TEMPORARY = "own"
"""Folder for temporary files: one path, behind which every machine has its own, as Ray expects of a cluster's."""


def isolated(arguments: Sequence[str]) -> int:
    """Run a script in namespaces of its own; there `inside` says where it may keep files. Returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as place:  # a long path would not do for Ray
        command = ["unshare", *_NAMESPACES, sys.executable, *arguments]
        return subprocess.run(command, env={**os.environ, _INSIDE: place}, check=False).returncode


def inside() -> Path | None:
    """A temporary folder for the script that `isolated` runs; None outside."""
    if _INSIDE not in os.environ:
        return None
    for command in ("set lo up", "add switch type bridge", "set switch up"):
        subprocess.run(["ip", "link", *command.split()], check=True)
    return Path(os.environ[_INSIDE])


def lacking() -> str | None:
    """What this machine lacks for namespaces, in a line."""
    if missing := [name for name in ("ip", "nsenter", "unshare") if shutil.which(name) is None]:
        return f"{', '.join(missing)}: no such program; install iproute2 and util-linux"
    if os.geteuid() != 0:
        return "only root can make network namespaces; run it by sudo"
    bridge = "ip link add switch type bridge"
    done = subprocess.run(["unshare", *_NAMESPACES, "sh", "-c", bridge], capture_output=True, text=True, check=False)
    return f"no network namespaces here: {done.stderr.strip().splitlines()[-1]}" if done.returncode else None


@dataclass
class _Machine:
    number: int
    holder: subprocess.Popen[bytes]
    home: Path
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{_NETWORK}.{self.number}"

    @property
    def first(self) -> int | None:
        """Id of its first process; the others end with it."""
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        with contextlib.suppress(OSError, ValueError):
            return int(children.read_text())
        return None


class Machines:
    """Starts and ends them; what a cloud's interface is to a node provider.

    Args:
        place: folder for their homes and temporary files; with a short path, Ray keeps sockets there.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        (place / _TEMPORARY).mkdir()
        self._machines: dict[str, _Machine] = {}
        self._lock = threading.RLock()
        self.started: list[str] = []
        """All there ever were."""

    def start(self, tags: Mapping[str, str]) -> str:
        """One more machine; returns its name."""
        with self._lock:
            number = len(self.started) + 1
            name = f"m{number}"
            home = self._place / name
            home.mkdir()
            # As Debian writes it: the name of a machine, looked up on itself, is an address of its loopback.
            (home / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
            mount = f"mount --bind {home}/hosts /etc/hosts && mount --bind {home} {self._place / _TEMPORARY}"
            # Bash reaps processes whose parents have ended, as the first process has to.
            first = ["bash", "-c", f"{mount} && ip link set lo up && hostname {name} && sleep infinity & wait"]
            command = ["unshare", "--uts", *_NAMESPACES, *first]  # which complains when it is killed
            holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            machine = self._machines[name] = _Machine(number, holder, home, dict(tags))
            self.started.append(name)
            until = time.monotonic() + _READY_SECONDS
            while machine.first is None or self.run(name, "hostname", quick=True)[1].strip() != name:
                assert time.monotonic() < until, f"{name} does not start"
                time.sleep(0.05)
            inside = ["nsenter", "--target", str(machine.first), "--net", "ip"]
            for command in (
                ["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(machine.first)],
                ["ip", "link", "set", name, "master", "switch", "up"],
                [*inside, "address", "add", f"{machine.address}/24", "dev", "eth0"],
                [*inside, "link", "set", "eth0", "up"],
                [*inside, "route", "add", "default", "dev", "eth0"],  # by it Ray knows its own address
            ):
                subprocess.run(command, check=True)
            return name

    def end(self, name: str) -> None:
        """Kill all processes of a machine; it is gone then."""
        with self._lock:
            machine = self._machines.pop(name, None)
        if machine is not None:
            if machine.first is not None:
                os.kill(machine.first, signal.SIGKILL)
            machine.holder.wait()

    def cut(self, name: str) -> None:
        """Take a machine off the network."""
        subprocess.run(["ip", "link", "set", name, "down"], check=True)

    def join(self, name: str) -> None:
        """Put it back."""
        subprocess.run(["ip", "link", "set", name, "up"], check=True)

    def reaches(self, name: str, other: str) -> bool:
        """Whether a machine gets an answer from another, be it that nothing listens there."""
        knock = f"timeout {_KNOCK_SECONDS:g} bash -c '</dev/tcp/{self.address(other)}/1'"
        code, said = self.run(name, knock)
        return code == 1 and "refused" in said

    def names(self, tags: Mapping[str, str] | None = None) -> list[str]:
        """Those there are, with these tags."""
        with self._lock:
            return [name for name, machine in self._machines.items() if (tags or {}).items() <= machine.tags.items()]

    def tags(self, name: str) -> dict[str, str]:
        """Its tags."""
        return dict(self._machines[name].tags)

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """More of them."""
        self._machines[name].tags.update(tags)

    def address(self, name: str) -> str:
        """On the network of all machines."""
        return self._machines[name].address

    def home(self, name: str) -> Path:
        """Home folder of whoever logs in."""
        return self._machines[name].home

    def put(self, name: str, source: str, target: str) -> None:
        """Have a file of this disk there, too, or a folder, which is not copied."""
        path = Path(target.replace("~", str(self.home(name)), 1).rstrip("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not Path(source).is_dir():
            shutil.copy2(source, path)
        elif not path.is_symlink():
            if path.exists():
                path.rmdir()  # which whoever puts it there has made
            path.symlink_to(Path(source).resolve())

    def command(self, name: str, line: str) -> list[str]:
        """What runs a line in a login shell there."""
        machine = self._machines[name]
        assert machine.first is not None, f"{name} is gone"
        home, temporary = str(machine.home), str(self._place / _TEMPORARY)
        variables = {"HOME": home, "TMPDIR": temporary, "RAY_TMPDIR": temporary, "PATH": os.environ["PATH"]}
        shell = ["env", "-i", *(f"{key}={value}" for key, value in variables.items()), "bash", "--login", "-c"]
        return ["nsenter", "--target", str(machine.first), "--all", f"--wd={home}", *shell, line]

    def run(self, name: str, line: str, timeout: float = 120.0, *, quick: bool = False) -> tuple[int, str]:
        """Exit code and output of a line; `quick` leaves out the login."""
        command = self.command(name, line)
        if quick:
            command = [*command[:4], *shlex.split(line)]
        # In a file: processes that stay would keep a pipe open.
        with (self._place / f"{name}.{threading.get_ident()}.out").open("w+") as out:
            options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.STDOUT}
            code = subprocess.run(command, timeout=timeout, check=False, **options).returncode
            out.seek(0)
            return code, out.read()


class _Server(BaseManager):
    """Lets other processes, on any machine, call `Machines` through a socket on the disk."""


class _Client(BaseManager):
    """Calls them."""


_Client.register("machines")


def serve(machines: Machines, socket: Path) -> None:
    """Answer there as long as this process lives."""
    _Server.register("machines", callable=lambda: machines)
    server = _Server(str(socket), authkey=socket.name.encode()).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()


def reach(socket: str) -> Any:
    """The `Machines` that answer there."""
    client = _Client(socket, authkey=Path(socket).name.encode())
    client.connect()
    return client.machines()  # type: ignore[attr-defined]
