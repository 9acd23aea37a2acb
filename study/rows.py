"""The row of a finished trial: who it was, what varied, how it ended and what it cost."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from study.collapse import WeightingStatus
from study.events import Trial
from study.provenance import code_hash
from study.schema import SCHEMA_VERSION, Status

_LONG = 60
"""Characters of a value that a label shows."""

_DIGITS = re.compile(r"-?\d+\.\d{4,}(?:e-?\d+)?")

_BROKEN_OFF = {"lost", "failed", "oom", "timeout", "interrupted"}


def trial_row(
    trial: Trial,
    *,
    data_hash: str,
    varying: Sequence[str],
    status: Status,
    ledger: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
    workers: int,
    devices_per_worker: float,
    error: str | None = None,
    weighting_status: WeightingStatus | None = None,
    weighting_status_step: int | None = None,
    epochs: int = 0,
    metrics: Mapping[str, float] | None = None,
    device_name: str | None = None,
    num_parameters: int | None = None,
    precision: str | None = None,
    peak_memory_bytes: int | None = None,
    predicted_device_seconds: float | None = None,
) -> dict[str, Any]:
    """Assemble a trial's row of `trials`.

    Args:
        trial: the trial.
        data_hash: of the plan's splits.
        varying: the plan's dotted keys that get a column of their own.
        status: how it ended.
        ledger: all entries on this trial, of every attempt.
        provenance: what `provenance()` said where the trial ran.
        workers: workers of the trial.
        devices_per_worker: GPUs, or CPU cores without GPUs, that each of them held.
        error: why it did not complete, in one line.
        weighting_status: what became of the loss weights.
        weighting_status_step: since which step.
        epochs: epochs finished.
        metrics: `val_...` and `test_...` figures; those missing become null.
        device_name: model of GPU or CPU.
        num_parameters: of the network.
        precision: that it was trained in.
        peak_memory_bytes: of one worker.
        predicted_device_seconds: what the plan said.
    """
    resolved = trial.configuration.resolved()
    settings = flatten(resolved)
    attempts = [entry for entry in ledger if entry["kind"] == "attempt"]
    return {
        "trial_id": trial.trial_id,
        "configuration_id": trial.configuration_id,
        "seed": trial.seed,
        "data_hash": data_hash,
        "weighting": trial.configuration.weighting.kind(),
        "objective": trial.configuration.objective.name,
        "tracker": trial.configuration.tracker.kind(),
        "configuration": json.dumps(resolved, sort_keys=True),
        "status": status,
        "error": error,
        "suggested": None if trial.suggested is None else json.dumps(dict(trial.suggested), sort_keys=True),
        "weighting_status": weighting_status,
        "weighting_status_step": weighting_status_step,
        "attempts": len(attempts),
        "epochs": epochs,
        **(metrics or {}),
        **cost(ledger),
        "predicted_device_seconds": predicted_device_seconds,
        "workers": workers,
        "devices_per_worker": devices_per_worker,
        "device_name": device_name,
        "num_parameters": num_parameters,
        "precision": precision,
        "peak_memory_bytes": peak_memory_bytes,
        **provenance,
        "code_hash": code_hash(trial.configuration),
        "started_at": min((entry["started_at"] for entry in attempts), default=None),
        "ended_at": datetime.now(UTC),
        "schema_version": SCHEMA_VERSION,
        **{name: cell(settings.get(name)) for name in varying},
    }


def cost(ledger: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Device-seconds of ledger entries, by what they were spent on; the parts sum up to `device_seconds`.

    Time held beyond start-up, training and evaluation is overhead, or lost if the attempt broke off.
    """
    parts = dict.fromkeys(("train_seconds", "eval_seconds", "startup_seconds", "lost_seconds", "overhead_seconds"), 0.0)
    for entry in ledger:
        spent = {name: entry.get(name) or 0.0 for name in ("train_seconds", "eval_seconds", "startup_seconds")}
        rest = "lost_seconds" if entry["status"] in _BROKEN_OFF else "overhead_seconds"
        spent[rest] = max(0.0, (entry.get("held_seconds") or 0.0) - sum(spent.values()))
        for name, seconds in spent.items():
            parts[name] += entry["devices"] * seconds
    return {"device_seconds": sum(parts.values()), **parts}


def flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of a resolved configuration by dotted key, as they are written after `--set`; lists stay whole."""
    settings: dict[str, Any] = {}
    for name, value in plain.items():
        settings |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return settings


def cell(value: Any) -> Any:
    """A setting as a value of a column: lists become JSON."""
    return json.dumps(value) if isinstance(value, list) else value


def labels(settings: Sequence[Mapping[str, Any]], varying: Sequence[str]) -> list[str]:
    """The settings that tell these configurations apart in a few words each.

    A component's settings are left out where they are the same in all configurations with that kind of component.
    """
    told: dict[tuple[str, Any], list[str]] = {}
    result = []
    for row in settings:
        keys = []
        for key in varying:
            kind = f"{key.partition('.')[0]}.kind"
            if key != kind and kind in varying:
                place = (kind, row.get(kind))
                if place not in told:
                    told[place] = differing([other for other in settings if other.get(kind) == place[1]], varying)
                if key not in told[place]:
                    continue
            keys.append(key)
        result.append(label(row, keys))
    return result


def differing(settings: Sequence[Mapping[str, Any]], keys: Iterable[str] | None = None) -> list[str]:
    """Keys whose values differ between configurations, in order; of all keys, or of some."""
    asked = dict.fromkeys(key for plain in settings for key in plain) if keys is None else keys
    return [key for key in asked if any(_differ(plain.get(key), settings[0].get(key)) for plain in settings)]


def _differ(first: Any, second: Any) -> bool:
    return first != second and not (first != first and second != second)  # two missing values (NaN) are equal


def label(settings: Mapping[str, Any], varying: Sequence[str]) -> str:
    """The settings that vary in a few words, such as `cls=1 reg=0.1`; empty if none does.

    A key is shown by its last part, or whole where two last parts are equal; `weighting.kind` is shown as `weighting`,
    and an objective by its name, if that varies too.
    """
    hidden = "objective.task_losses" if "objective.name" in varying else None
    short = {
        key: "objective" if key == "objective.name" else key.removesuffix(".kind").rpartition(".")[2]
        for key in varying
        if key != hidden
    }
    times = Counter(short.values())
    return " ".join(
        f"{name if times[name] == 1 else key}={_shown(settings[key])}"
        for key, name in short.items()
        if settings.get(key) is not None and settings[key] == settings[key]
    )


def _shown(value: Any) -> str:
    """A value in a few signs; of a long one how it begins and how it ends, of a schedule how it ends."""
    if isinstance(value, float):
        return f"{value:g}"
    text = _DIGITS.sub(lambda number: f"{float(number[0]):.3g}", str(value))
    if len(text) > _LONG and text.startswith("[{"):
        stages = json.loads(value) if isinstance(value, str) else value  # of a row, or of a configuration
        last = stages[-1].items()
        if all(isinstance(weight, int | float) for _, weight in last):
            return f"{len(stages)}, last {' '.join(f'{task}={weight:.3g}' for task, weight in last)}"
    return text if len(text) <= _LONG else f"{text[: _LONG // 3]}...{text[3 - 2 * _LONG // 3 :]}"
