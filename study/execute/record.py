"""What a trial leaves in the results while it runs and when it ends."""

import io
import logging
from typing import Any

import torch

from study.checkpoint import model_bytes
from study.collapse import WeightingStatus
from study.events import EpochFinished, Trial
from study.execute.holding import Holding
from study.execute.outcome import write_outcome
from study.execute.verdict import Verdict
from study.plan import Plan
from study.results import LAST, MODEL, ResultStore
from study.schema import Status
from study.train import EpochResult, TrialResult

_TABLES = ("steps", "epochs", "sequences")
_log = logging.getLogger(__name__)


class Record:
    """What a trial leaves in the results; rows of earlier epochs are kept with it."""

    def __init__(
        self,
        trial: Trial,
        attempt: int,
        plan: Plan,
        store: ResultStore,
        holding: Holding,
        devices: float,
        device_name: str,
    ) -> None:
        self.trial, self.attempt, self.plan, self.store, self.holding = trial, attempt, plan, store, holding
        self.devices, self.device_name = devices, device_name
        self.rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _TABLES}
        self.epochs = 0
        self.metrics: dict[str, float] = {}
        self.weighting_status: tuple[WeightingStatus | None, int | None] = (None, None)

    def keep_rows(self, until: int) -> None:
        """Take over the stored rows of finished epochs; those after the checkpoint will come again."""
        self.epochs = until
        for table in _TABLES:
            stored = self.store.read_rows(table, self.trial.trial_id)  # type: ignore[arg-type]
            self.rows[table] = [row for row in stored if row["epoch"] <= until]

    def epoch(self, result: EpochResult) -> EpochFinished:
        """Save an epoch: rows, then the checkpoint, then what it cost."""
        self.epochs = result.epoch
        self.metrics = result.metrics or self.metrics
        self.weighting_status = (result.weighting_status, result.weighting_status_step)
        spent = {"train_seconds": result.seconds.train, "eval_seconds": result.seconds.eval}
        self._add(steps=result.steps, epochs=[{**row, **spent} for row in result.epochs], sequences=result.sequences)
        self._save(LAST, {"epoch": result.epoch, "state": result.state()})
        self.holding.spend(result.seconds)
        seconds = result.seconds.train + result.seconds.eval
        figures = " ".join(f"{name}={value:.4g}" for name, value in result.metrics.items())
        _log.info("epoch %d in %.1f s: %s", result.epoch, seconds, figures or "not validated")
        epochs = self.trial.configuration.train.epochs
        return EpochFinished(self.trial, result.epoch, epochs, result.metrics, seconds, result.weighting_status)

    def complete(self, result: TrialResult) -> dict[str, Any]:
        """Save the trained tracker and the final row."""
        self.metrics = result.metrics
        self.weighting_status = (result.weighting_status, result.weighting_status_step)
        self._add(sequences=result.sequences)
        self.store.write_checkpoint(self.trial.trial_id, MODEL, model_bytes(self.trial.configuration, result.state()))
        self.holding.spend(result.seconds)
        return self.end(
            "completed",
            num_parameters=result.num_parameters,
            precision=result.precision,
            peak_memory_bytes=result.peak_memory_bytes,
        )

    def stop(self, verdict: Verdict) -> dict[str, Any]:
        """End before the last epoch. What can go on from here, the trial itself or its children, keeps a checkpoint."""
        if verdict is Verdict.INTERRUPT:
            return self.end("interrupted", "the budget is spent", keep_last=True)
        if verdict is Verdict.FINISH:
            return self.end("interrupted", "the study was interrupted", keep_last=True)
        return self.end("pruned", keep_last=verdict is Verdict.PAUSE or self.epochs == self.trial.until)

    def end(
        self, status: Status, error: str | None = None, *, keep_last: bool = False, **measured: Any
    ) -> dict[str, Any]:
        """Write the final row; unless `keep_last`, nothing is left to go on from."""
        self.holding.end(status)
        final = status in ("completed", "pruned")  # figures of an epoch before a divergence would pass for its outcome
        row = write_outcome(
            self.trial,
            self.plan,
            self.store,
            status,
            attempts=self.attempt,
            devices=self.devices,
            error=error,
            epochs=self.epochs,
            metrics=self.metrics if final else None,
            weighting_status=self.weighting_status[0],
            weighting_status_step=self.weighting_status[1],
            device_name=self.device_name,
            **measured,
        )
        if not keep_last:
            self.store.delete_checkpoint(self.trial.trial_id, LAST)
        _log.info("%s%s", status, f": {error}" if error else "")
        return row

    def _add(self, **tables: list[dict[str, Any]]) -> None:
        for table, rows in tables.items():
            if rows:
                self.rows[table] += rows
                self.store.write_rows(table, self.trial.trial_id, self.rows[table])  # type: ignore[arg-type]

    def _save(self, name: str, content: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        self.store.write_checkpoint(self.trial.trial_id, name, buffer.getvalue())
