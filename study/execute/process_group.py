"""How Ray Train joins the workers of a group in torch.distributed.

`ray.train.torch.TorchConfig` does the same, but every Train controller that unpickles it imports torch: 2 s of CPU and
500 MB in a process that only watches others.
"""

import os
import socket
from dataclasses import dataclass
from datetime import timedelta

import psutil
import ray
from ray.train.backend import Backend, BackendConfig

_JOIN_SECONDS = 120.0
"""So long workers look for the first one, which a firewall may hide."""

_WAIT_SECONDS = 1800.0
"""So long one waits for another, which may evaluate a long sequence; NCCL's own default would be a third of it."""


class _TorchBackend(Backend):
    share_cuda_visible_devices = True  # as Ray's own for torch: lets NCCL reach the GPUs of the same machine

    def on_start(self, worker_group, backend_config):  # type: ignore[no-untyped-def]
        """Join the workers, if there are several."""
        world = len(worker_group)
        if world > 1:
            place = worker_group.execute_single(0, _listen)
            ray.get(
                [
                    worker_group.execute_single_async(rank, join, backend_config.backend, place, rank, world)
                    for rank in range(world)
                ]
            )


@dataclass
class ProcessGroupConfig(BackendConfig):
    """Joins workers by `torch.distributed`; a single worker needs no process group.

    Attributes:
        backend: `nccl`, or `gloo`, which also serves workers that share a GPU.
    """

    backend: str

    @property
    def backend_cls(self):  # type: ignore[no-untyped-def]
        """What carries it out."""
        return _TorchBackend


def _listen() -> tuple[str, int]:
    return listen(ray.util.get_node_ip_address())


_listening: list[socket.socket] = []
"""In the first worker, where the others find it."""


def listen(host: str) -> tuple[str, int]:
    """Listen for the other workers, on this address of this machine alone; torch by itself would listen on all."""
    listener = socket.create_server((host, 0), family=_family(host))
    _listening.append(listener)
    return host, listener.getsockname()[1]


def join(backend: str, place: tuple[str, int], rank: int, world: int) -> None:
    """Be one of the workers of a group.

    Args:
        backend: `nccl` or `gloo`.
        place: where the first worker listens.
        rank: of this worker.
        world: how many there are.
    """
    import torch.distributed as dist

    if (interface := _interface_to(place[0])) is not None:
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, interface)
    if backend == "nccl":
        import torch
        from ray.train.torch import get_device

        torch.cuda.set_device(get_device())
    descriptor = _listening.pop().detach() if rank == 0 else None
    search = timedelta(seconds=_JOIN_SECONDS)
    store = dist.TCPStore(*place, world, is_master=rank == 0, timeout=search, master_listen_fd=descriptor)
    wait = timedelta(seconds=_WAIT_SECONDS)
    # NCCL meets at the first collective, for which a machine may have to copy and decode the data first.
    store.set_timeout(wait)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=wait)


def _interface_to(host: str) -> str | None:
    """Name of this machine's network interface that leads to an address, if that can be told.

    Left alone, gloo takes the one that the machine's name leads to, which often is loopback, and NCCL the first.
    """
    with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
        probe.connect((host, 1))  # sends nothing
        own = probe.getsockname()[0]
    for name, entries in psutil.net_if_addrs().items():
        if any(entry.address.partition("%")[0] == own for entry in entries):
            return name
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
