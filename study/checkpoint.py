"""Trained trackers as files: parameters and the configuration that built them, loaded without unpickling code."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from study.config import Configuration
from study.errors import UserError
from study.frozen import validate
from study.tensors import load_tensors
from study.tracker import Tracker

_FORMAT = 1


def model_bytes(configuration: Configuration, state: Mapping[str, Any]) -> bytes:
    """A trained tracker as the bytes of a file."""
    buffer = io.BytesIO()
    resolved = json.dumps(configuration.resolved())
    torch.save({"format": _FORMAT, "configuration": resolved, "tracker": dict(state)}, buffer)
    return buffer.getvalue()


def load_model(path: Path) -> tuple[Configuration, Tracker]:
    """Build the tracker of a file, in evaluation mode on the CPU.

    Raises:
        UserError: no such file, not a trained tracker, or parameters of another architecture.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint") from None
    except OSError as error:
        raise UserError(f"{path}: not a checkpoint of a trained tracker ({error.strerror or error})") from None
    configuration, state = read_model(data, str(path))
    tracker: Tracker = configuration.tracker.build(configuration.objective, None)
    try:
        tracker.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{path}: parameters of another architecture than its configuration's ({reason})") from None
    return configuration, tracker.eval()


def read_model(data: bytes, where: str) -> tuple[Configuration, Mapping[str, Tensor]]:
    """Configuration and parameters of a trained tracker.

    Args:
        data: what `model_bytes` made.
        where: what to call it in errors.

    Raises:
        UserError: not a trained tracker.
    """
    try:
        content = load_tensors(io.BytesIO(data))
    except ValueError as error:
        raise UserError(f"{where}: not a checkpoint of a trained tracker ({error})") from None
    if not _is_model(content):
        raise UserError(
            f"{where}: expected a trained tracker (results/STUDY/checkpoints/TRIAL/model.pt, format {_FORMAT}), found"
            " another kind of file"
        )
    try:
        values = json.loads(content["configuration"])
    except ValueError:
        raise UserError(f"{where}: its configuration cannot be read; expected JSON") from None
    return validate(Configuration, values, where), content["tracker"]


def _is_model(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return False
    state = content.get("tracker")
    return (
        isinstance(content.get("configuration"), str)
        and isinstance(state, Mapping)
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items())
    )
