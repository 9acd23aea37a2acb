"""The end of a trial: its row in `trials`, made from what the ledger says."""

import functools
from collections.abc import Mapping
from typing import Any

from study.config import Execution
from study.events import Trial
from study.plan import Plan
from study.results import ResultStore, provenance, trial_row
from study.schema import Status
from study.secrecy import without_secrets


def write_outcome(
    trial: Trial,
    plan: Plan,
    store: ResultStore,
    status: Status,
    *,
    attempts: int,
    devices: float,
    error: str | None = None,
    epochs: int | None = None,
    metrics: Mapping[str, float] | None = None,
    **measured: Any,
) -> dict[str, Any]:
    """Write a trial's final row and return it.

    Args:
        trial: the trial.
        plan: its plan.
        store: where the row goes.
        status: how the trial ended.
        attempts: number of the attempt that ended it.
        devices: all that its workers held together.
        error: why it did not complete; its last line is kept.
        epochs: epochs finished; default: as many as have rows.
        metrics: final figures.
        measured: `device_name`, `num_parameters`, `precision`, `peak_memory_bytes`.
    """
    execution: Execution = plan.study.execution
    if epochs is None:
        epochs = max((row["epoch"] for row in store.read_rows("epochs", trial.trial_id)), default=0)
    predicted = plan.predictions.predictor.of_trial(trial)
    row = trial_row(
        trial,
        data_hash=plan.splits.data_hash,
        varying=plan.varying,
        status=status,
        ledger=store.attempts(trial.trial_id, attempts),
        provenance=_provenance(plan.code),
        workers=execution.workers,
        devices_per_worker=devices / execution.workers,
        error=last_line(error) if error else None,
        epochs=epochs,
        metrics=metrics,
        predicted_device_seconds=predicted.device_seconds if predicted else None,
        **measured,
    )
    store.write_trial(row)
    return row


_provenance = functools.cache(provenance)
"""A worker group looks once, not for every trial."""


def last_line(text: str) -> str:
    """Last line of an error that says something; errors of the user's own parts may tell what they were given."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return without_secrets(lines[-1]) if lines else "no reason given"
