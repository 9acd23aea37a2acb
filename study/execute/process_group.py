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
            address = worker_group.execute_single(0, _free_address)
            ray.get(
                [
                    worker_group.execute_single_async(rank, _join, backend_config.backend, address, rank, world)
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


def own_interface() -> str | None:
    """Name of the network interface that has this machine's address in the cluster; None if none has.

    Left alone, gloo takes the one that the machine's name leads to, which often is loopback, and NCCL the first.
    """
    address = ray.util.get_node_ip_address()
    for name, entries in psutil.net_if_addrs().items():
        if any(entry.address.partition("%")[0] == address for entry in entries):
            return name
    return None


def _free_address() -> tuple[str, int]:
    host = ray.util.get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind(("", 0))
        return host, probe.getsockname()[1]


def _join(backend: str, address: tuple[str, int], rank: int, world: int) -> None:
    import torch.distributed as dist

    if (interface := own_interface()) is not None:
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, interface)
    if backend == "nccl":
        import torch
        from ray.train.torch import get_device

        torch.cuda.set_device(get_device())
    store = dist.TCPStore(*address, world, is_master=rank == 0, timeout=timedelta(seconds=_JOIN_SECONDS))
    wait = timedelta(seconds=_WAIT_SECONDS)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=wait)
