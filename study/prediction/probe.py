"""Probes: the processes of as many trials as will run side by side, each measuring the same kind of trial."""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from study.capacity import Capacity
from study.config import Configuration
from study.environment import environment
from study.prediction.measurement import Measurement
from study.prediction.sample import sample

if TYPE_CHECKING:
    from study.data import Splits

_END_SECONDS = 10.0

_GROUP_FACTOR = 3.4
"""A worker group is held for so many times the processor time that a probe's process takes to start: Ray starts a
controller beside it, connects both, and ends them (docs/decisions.md)."""


class ProbeError(RuntimeError):
    """A kind of trial could not be measured; says why in one line."""


@dataclass(frozen=True)
class Seat:
    """The place of a process: which trial it is a worker of, and what it holds, as a worker of a study does."""

    threads: int
    device: str
    backend: str
    trial: int
    rank: int
    world: int


@dataclass(frozen=True)
class _Fault:
    """Why a process could not measure."""

    reason: str


class Probes:
    """Processes that measure kinds of trials, one after the other. A context manager: they end with it.

    Args:
        capacity: what a trial holds.
        beside: trials that run at a time.
        cache_dir: folder of decoded frames.
    """

    def __init__(self, capacity: Capacity, beside: int, cache_dir: Path) -> None:
        self._capacity, self._beside, self._cache_dir = capacity, beside, cache_dir
        self._processes: list[BaseProcess] = []
        self._connections: list[Connection] = []
        self._group_startup_seconds = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="study-probe-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def measure(self, configuration: Configuration, splits: "Splits") -> Measurement:
        """Measure a trial in all processes at once, and take the medians.

        Args:
            configuration: of the trial.
            splits: of the study; a few clips of them are used.

        Raises:
            ProbeError: the trial does not run.
        """
        if not self._processes:
            self._start()
        job = (configuration, sample(splits, self._capacity.workers), self._cache_dir)
        for connection in self._connections:
            with suppress(OSError):  # of a process that has died: whoever waits for its reply is told so
                connection.send(job)
        found = self._replies()
        return Measurement(
            **{name: _median([one[name] for one in found]) for name in found[0]},
            group_startup_seconds=self._group_startup_seconds,
            beside=self._beside,
        )

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        seats = seats_of(self._capacity, self._beside)
        barrier = context.Barrier(len(seats))
        folder = tempfile.mkdtemp(dir=self._folder.name)
        for seat in seats:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, barrier, seat, folder), daemon=True)
            with environment({"OMP_NUM_THREADS": str(seat.threads)}):  # as a worker has it when it imports NumPy
                process.start()
            theirs.close()
            self._processes.append(process)
            self._connections.append(ours)
        self._group_startup_seconds = _GROUP_FACTOR * median(self._replies())

    def _replies(self) -> list[Any]:
        """One from every process; after a fault all of them end, for some may wait for the one that has failed."""
        replies: dict[Connection, Any] = {}
        while len(replies) < len(self._connections):
            for connection in wait([one for one in self._connections if one not in replies]):
                assert isinstance(connection, Connection)
                try:
                    replies[connection] = connection.recv()
                except (EOFError, OSError):
                    process = self._processes[self._connections.index(connection)]
                    process.join(_END_SECONDS)
                    replies[connection] = _Fault(f"its process ended with exit code {process.exitcode}")
                if isinstance(reply := replies[connection], _Fault):
                    self._end()
                    raise ProbeError(reply.reason)
        return [replies[connection] for connection in self._connections]

    def _end(self) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.kill()
            process.join(_END_SECONDS)
        self._processes, self._connections = [], []


def seats_of(capacity: Capacity, beside: int) -> list[Seat]:
    """A place for each worker of the trials; GPUs are filled one after the other."""
    gpus, world = capacity.gpus_per_worker, capacity.workers
    backend = "nccl" if gpus >= 1 else "gloo"
    # The tolerance lets a third of a GPU fit three times.
    places = [i * int(gpus) if gpus >= 1 else i // int(1 / gpus + 1e-9) for i in range(beside * world)] if gpus else []
    devices = [f"cuda:{place}" for place in places] or ["cpu"] * (beside * world)
    return [
        Seat(capacity.cpus_per_worker, device, backend, *divmod(i, world), world) for i, device in enumerate(devices)
    ]


def _median(values: Sequence[float]) -> float:
    middle = median(values)
    return int(middle) if isinstance(values[0], int) else middle


def _serve(connection: Connection, barrier: Any, seat: Seat, folder: str) -> None:
    """What a process does: measures what it is sent, until the connection is closed or it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    import torch
    import torch.distributed as dist

    from study.prediction.measure import measure

    torch.set_num_threads(seat.threads)
    device = torch.device(seat.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if seat.world > 1:
        address = f"file://{folder}/{seat.trial}"
        dist.init_process_group(seat.backend, init_method=address, rank=seat.rank, world_size=seat.world)
    connection.send(time.process_time())
    while True:
        try:
            configuration, splits, cache_dir = connection.recv()
        except EOFError:
            return
        try:
            found = measure(configuration, splits, cache_dir, device, barrier.wait)
        except Exception as error:
            # Whatever keeps the trial from running, its cost stays unknown and the reason is told.
            lines = str(error).splitlines()
            connection.send(_Fault(lines[0] if lines else type(error).__name__))
        else:
            connection.send(found)
