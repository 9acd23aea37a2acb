"""Rows of trials that never ran: true to the schema, with figures given by the test."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from study.config import Data, Study, Train, trial_id
from study.device import device_name
from study.events import Trial
from study.losses.objectives import CLS_REG_REID
from study.precision import autocast_dtype
from study.results import provenance, trial_row
from study.tracker import chained
from study.weighting import hwf

DATA_HASH = "0123456789abcdef"
VARYING = ("weighting.loss_weights.cls", "weighting.loss_weights.reg")


def make_study(points: Sequence[Mapping[str, Any]] = ({},), **settings: Any) -> Study:
    return Study(
        **{
            "name": "example",
            "description": "an example",
            "data": Data(root="synthetic:tiny"),
            "tracker": chained.Config(),
            "objective": CLS_REG_REID,
            "weighting": hwf.Config(),
            "train": Train(epochs=4),
            "points": tuple(points),
        }
        | settings
    )


def make_trial(point: Mapping[str, Any] | None = None, seed: int = 0, index: int = 0) -> Trial:
    (configuration,) = make_study([point or {}]).configurations()
    name = configuration.configuration_id
    return Trial(trial_id(name, seed, DATA_HASH), name, configuration, seed, index)


def make_entry(trial: Trial | None, attempt: int = 1, **values: Any) -> dict[str, Any]:
    return {
        "entry_id": f"{trial.trial_id if trial else 'idle'}-{attempt}",
        "trial_id": trial.trial_id if trial else None,
        "attempt": attempt,
        "group_id": "group",
        "kind": "attempt" if trial else "idle",
        "devices": 2.0,
        "started_at": datetime(2026, 1, attempt, tzinfo=UTC),
        "held_seconds": 50.0,
        "startup_seconds": 5.0,
        "train_seconds": 30.0,
        "eval_seconds": 10.0,
        "status": "completed",
    } | values


def make_row(trial: Trial, val_mota: float | None = None, **values: Any) -> dict[str, Any]:
    """A trial's row, completed if `val_mota` is given; `device_seconds` may be given too."""
    entry = make_entry(trial, held_seconds=values.pop("device_seconds", 100.0) / 2)
    metrics = {} if val_mota is None else {"val_mota": val_mota, "val_idf1": val_mota - 0.05, "val_hota": val_mota / 2}
    return trial_row(
        trial,
        **{
            "data_hash": DATA_HASH,
            "varying": VARYING,
            "status": "failed" if val_mota is None else "completed",
            "ledger": [entry],
            "provenance": provenance(),
            "workers": 2,
            "devices_per_worker": 1.0,
            "epochs": 4,
            "metrics": metrics,
        }
        | values,
    )


def make_measured_row(
    trial: Trial,
    data_hash: str,
    *,
    train: float = 80.0,
    evaluation: float = 15.0,
    startup: float = 1.0,
    overhead: float = 4.0,
    **values: Any,
) -> dict[str, Any]:
    """A completed trial's row as one CPU core of this machine leaves it, with these device-seconds."""
    cpu = torch.device("cpu")
    spent = {"train_seconds": train, "eval_seconds": evaluation, "startup_seconds": startup}
    entry = make_entry(trial, devices=1.0, held_seconds=sum(spent.values()) + overhead, **spent)
    row = make_row(
        trial,
        0.5,
        ledger=[entry],
        data_hash=data_hash,
        workers=1,
        device_name=device_name(cpu),
        precision=str(autocast_dtype(trial.configuration.train.precision, cpu)).removeprefix("torch."),
        num_parameters=1000,
    )
    return row | values
