"""Files of tensors, which may come from anywhere: read without running any code that they name."""

import re
import warnings
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch
from torch import nn

_NAMED = re.compile(r"GLOBAL ([\w.]+)")


def load_tensors(source: Path | IO[bytes]) -> Any:
    """What `torch.save` wrote, if that is tensors, numbers, text and containers of them; on the CPU.

    Raises:
        FileNotFoundError: no such file.
        MemoryError: there is too little memory for it.
        ValueError: anything else is in it, or it is damaged; in a line.
    """
    try:
        _check_sums(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickles that torch has not made
            return torch.load(source, map_location="cpu", weights_only=True)
    except (FileNotFoundError, MemoryError):
        raise
    except UnpicklingError as error:  # torch's own words tell how to run the code all the same
        named = _NAMED.search(str(error))
        what = f"names code ({named[1]}), which is never run" if named else "is damaged, or holds more than tensors"
        raise ValueError(f"it {what}") from None
    except Exception as error:
        if "can't allocate memory" in str(error):  # torch's own, a RuntimeError
            raise MemoryError(_in_a_line(error)) from None
        # It raises many types for foreign and damaged files; all of them mean the same to the user.
        raise ValueError(_in_a_line(error)) from None


def _check_sums(source: Path | IO[bytes]) -> None:
    """Compare the checksums that `torch.save` stores, which `torch.load` does not look at.

    Raises:
        ValueError: one differs.
    """
    if zipfile.is_zipfile(source):  # files from before torch 1.6 are not, and have none
        with zipfile.ZipFile(source) as archive:
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"it is damaged: {damaged} has another checksum")
    if not isinstance(source, Path):
        source.seek(0)


def load_parameters(module: nn.Module, path: Path) -> None:
    """Give a network the parameters of a file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds something else, or is of another architecture; in a line.
    """
    state = load_tensors(path)
    try:
        module.load_state_dict(state)
    except Exception as error:  # many types, too, depending on what the file holds instead
        raise ValueError(_in_a_line(error)) from None


def _in_a_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
