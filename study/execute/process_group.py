"""How Ray Train joins the workers of a group in torch.distributed.

`ray.train.torch.TorchConfig` does the same, but every Train controller that unpickles it imports torch: 2 s of CPU and
500 MB in a process that only watches others.
"""

import socket
from dataclasses import dataclass

import ray
from ray.train.backend import Backend, BackendConfig


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


def _free_address() -> str:
    host = ray.util.get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind(("", 0))
        return f"tcp://[{host}]:{probe.getsockname()[1]}" if ":" in host else f"tcp://{host}:{probe.getsockname()[1]}"


def _join(backend: str, address: str, rank: int, world: int) -> None:
    import torch.distributed as dist

    if backend == "nccl":
        import torch
        from ray.train.torch import get_device

        torch.cuda.set_device(get_device())
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=world)
