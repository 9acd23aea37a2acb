"""Which type `precision` comes to."""

import re
from pathlib import Path

import pytest
import torch

from study.precision import autocast_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_what_is_asked_for_is_taken(precision, dtype):
    assert autocast_dtype(precision, CPU) is dtype


def test_auto_follows_what_the_kernel_says_of_the_processor():
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    native = bool(flags & {"avx512_bf16", "amx_bf16"})
    assert autocast_dtype("auto", CPU) is (torch.bfloat16 if native else torch.float32)
