"""Brings logs up to date with the rows of a study, and sees to it that a log never ends the study."""

import importlib
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Self

from study.events import EpochFinished, Event, Note, OnEvent, Trial, TrialEnded, TrialPaused, TrialStarted
from study.plan import Plan
from study.results import ResultStore
from study.rows import cell, flatten
from study.schema import DIAGNOSTICS, METRICS
from study.watchers import TOOLS
from study.watchers.log import Log


class Watchers:
    """Keeps logs of a study; call it with each event. A context manager: logs are complete when it ends.

    Args:
        names: which logs; `study.watchers.check_logs` knows them.
        plan: the study's plan.
        store: its rows, of which the logs are made.
        on_event: gets every event first; and a note, should a log be switched off.
    """

    def __init__(self, names: Iterable[str], plan: Plan, store: ResultStore, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.watchers = [Watcher(name, plan, store, on_event) for name in dict.fromkeys(names) if name in TOOLS]

    def __enter__(self) -> Self:
        for watcher in self.watchers:
            watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        for watcher in self.watchers:
            watcher.close()

    def __call__(self, event: Event) -> None:
        """Pass an event on, and have the logs record what it tells of."""
        self.on_event(event)
        for watcher in self.watchers:
            watcher(event)

    @property
    def lines(self) -> list[str]:
        """A line a log: the command that shows it, or why it is incomplete."""
        return [watcher.line for watcher in self.watchers]


class Watcher:
    """Keeps one log.

    An event only says when to look: what is recorded is read from the stored rows, so that a log that is asked for
    late, or was switched off, gets what it lacks. If it fails, that is told once, and it is left alone from then on.

    Args:
        name: of the log.
        plan: the study's plan.
        store: its rows.
        tell: gets the note.
    """

    def __init__(self, name: str, plan: Plan, store: ResultStore, tell: OnEvent) -> None:
        self.name, self.plan, self.store, self.tell = name, plan, store, tell
        self.log: Log | None = None
        self.open: dict[str, tuple[Trial, int]] = {}  # by trial_id, with the last epoch that was recorded
        self.line = ""

    def start(self) -> None:
        """Open the log and record the trials that have ended before."""
        self._guarded(self._start)

    def __call__(self, event: Event) -> None:
        """Record what an event tells of."""
        if self.log is not None:
            self._guarded(self._take_in, self.log, event)

    def close(self) -> None:
        """Record the ends that came after the last event, as after Ctrl-C, and let go of the log."""
        if self.log is not None:
            self._guarded(self._finish, self.log)

    def _guarded(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:
            # Whatever a tool, its files or the network come up with: the study is worth more than its log.
            log, self.log = self.log, None
            if log is not None:
                with suppress(Exception):
                    log.close()
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            self.line = f"--log {self.name} is switched off ({reason}); given again, it adds what is missing"
            self.tell(Note(self.line))

    def _start(self) -> None:
        module = importlib.import_module(f"study.watchers.{self.name}")
        self.log = module.open_log(self.store.local_folder(), self.plan.study.name)
        self.line = f"{self.name}: {module.how_to_open(self.store.local_folder())}"
        self._record_ends(self.log, self.plan.trials)

    def _take_in(self, log: Log, event: Event) -> None:
        match event:
            case TrialStarted(trial=trial) | EpochFinished(trial=trial):
                self._record_epochs(log, trial, time.time())
            case TrialEnded(trial, row) | TrialPaused(trial, row):
                self._record_end(log, trial, row)

    def _finish(self, log: Log) -> None:
        if self.open:
            self._record_ends(log, [trial for trial, _ in self.open.values()])
        log.close()

    def _record_ends(self, log: Log, trials: Iterable[Trial]) -> None:
        rows = {row["trial_id"]: row for row in self.store.trials() if row["imported_from"] is None}
        for trial in trials:
            row = rows.get(trial.trial_id)
            if row is not None:
                self._record_end(log, trial, row)

    def _record_end(self, log: Log, trial: Trial, row: Mapping[str, Any]) -> None:
        if log.holds(row):  # as of a trial that paused and was not taken up again
            return
        self._record_epochs(log, trial, row["ended_at"].timestamp())
        figures = {name: value for name, value in row.items() if name.startswith("test_") or name == "device_seconds"}
        log.end(row, _known(figures))
        del self.open[trial.trial_id]

    def _record_epochs(self, log: Log, trial: Trial, at: float) -> None:
        """Record the epochs that are not; the last one ended at a time, those before as long ago as they took."""
        if trial.trial_id not in self.open:
            log.open(trial, self.plan.label(trial), self._settings(trial), self._started(trial, at))
            self.open[trial.trial_id] = (trial, 0)
        _, last = self.open[trial.trial_id]
        rows = self.store.read_rows("epochs", trial.trial_id)
        seconds = {row["epoch"]: (row["train_seconds"] or 0.0) + (row["eval_seconds"] or 0.0) for row in rows}
        for epoch in sorted(epoch for epoch in seconds if epoch > last):
            later = sum(took for other, took in seconds.items() if other > epoch)
            log.epoch(trial.trial_id, epoch, _figures(row for row in rows if row["epoch"] == epoch), at - later)
            self.open[trial.trial_id] = (trial, epoch)

    def _settings(self, trial: Trial) -> dict[str, Any]:
        settings = flatten(trial.configuration.resolved())
        varying = {name: settings.get(name) for name in self.plan.varying if name != "weighting.kind"}
        named = {"weighting": trial.configuration.weighting.kind(), "seed": trial.seed, **varying}
        settings = named | dict(trial.suggested or {})
        return {name: cell(value) for name, value in settings.items() if value is not None}

    def _started(self, trial: Trial, at: float) -> float:
        """When the trial's first attempt began, as far as the ledger knows."""
        times = [entry["started_at"] for entry in self.store.ledger(trial.trial_id) if entry["kind"] == "attempt"]
        return min((started.timestamp() for started in times), default=at)


def _figures(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Figures of an epoch by names like `loss/cls`, `loss_weight/cls`, `val_loss/cls` and `val_mota`."""
    figures: dict[str, Any] = {}
    for row in rows:
        task, prefix = row["task"], "" if row["split"] == "train" else f"{row['split']}_"
        if task:
            figures |= {f"{prefix}{name}/{task}": row[name] for name in ("loss", "loss_weight")}
            figures |= {f"{prefix}{name}": row[name] for name in ("weighted_total", "gradient_norm")}
        else:
            figures |= {f"{prefix}{name}": row[name] for name in METRICS | DIAGNOSTICS}
    return _known(figures)


def _known(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None}
