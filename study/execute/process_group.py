"""How Ray Train joins the workers of a group in torch.distributed.

`ray.train.torch.TorchConfig` does the same, but every Train controller that unpickles it imports torch: 2 s of CPU and
500 MB in a process that only watches others.
"""

import os
import socket
from dataclasses import dataclass

import psutil
import ray
from ray.train.backend import Backend, BackendConfig


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
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
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

    if backend == "nccl":
        import torch
        from ray.train.torch import get_device

        torch.cuda.set_device(get_device())
    elif (name := _interface_to(place[0])) is not None:  # gloo listens where this machine's name leads to
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
    descriptor = _listening.pop().detach() if rank == 0 else None
    store = dist.TCPStore(*place, world, is_master=rank == 0, master_listen_fd=descriptor)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world)


def _interface_to(host: str) -> str | None:
    """Name of this machine's network interface that leads to an address, if that can be told."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 1))  # sends nothing
        own = probe.getsockname()[0]
    found = (name for name, addresses in psutil.net_if_addrs().items() if own in {each.address for each in addresses})
    return next(found, None)
