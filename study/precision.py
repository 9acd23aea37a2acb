"""Which floating point type the network computes in."""

import torch

from study.config import Precision


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """bfloat16 (autocast) or float32 (plain).

    `auto` takes bfloat16 where the device computes in it natively: CUDA from compute capability 8 on, CPUs with AVX-512
    BF16 or AMX. Elsewhere bfloat16 is emulated and slower than float32.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # No public question to ask; oneDNN uses AMX only together with its bfloat16 instructions.
        native = device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if native else torch.float32
