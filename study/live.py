"""What is seen while a study runs: a live table on a terminal, plain lines anywhere else."""

import math
import time
from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.duration import show_duration
from study.events import EpochFinished, Event, Note, Trial, TrialDeclined, TrialEnded, TrialPaused, TrialStarted
from study.plan import Plan
from study.search_config import Population

_RECENT = 8
"""Finished trials and notes that stay in sight."""


class Display:
    """Shows the events of a running study; call it with each. A context manager: it ends the live table.

    Args:
        plan: what runs.
        finished: rows of the plan's trials that were done before, for the best so far.
        console: where to show it.
    """

    def __init__(self, plan: Plan, finished: list[dict[str, Any]], console: Console) -> None:
        self.plan = plan
        self.console = console
        self.started_at = time.monotonic()
        self.left = {trial.trial_id: _epochs(trial) for trial in plan.missing}
        self.known = {trial.trial_id for trial in plan.trials}
        self.epoch_seconds: list[float] = []
        self.ended = len(plan.done)
        self.unsuggested = plan.total - len(plan.trials)
        self.running: dict[str, tuple[Trial, int, Text]] = {}
        self.recent: list[Text] = []
        self.best: tuple[float, str] | None = None
        trials = {trial.trial_id: trial for trial in plan.trials}
        for row in finished:
            if row["trial_id"] in trials:
                self._consider(row.get("val_mota"), trials[row["trial_id"]])
        self.live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, event: Event) -> None:
        """Take in an event and show it."""
        match event:
            case TrialStarted(trial, attempt):
                again = f", attempt {attempt}" if attempt > 1 else ""
                if trial.trial_id not in self.known:
                    self.known.add(trial.trial_id)
                    self.unsuggested -= 1
                    self.left[trial.trial_id] = _epochs(trial)
                self.running[trial.trial_id] = (trial, 0, Text("starting" + again))
                self._say(trial, f"started{again}", keep=False)
            case EpochFinished(trial, epoch, epochs, metrics, seconds, weighting_status):
                self.epoch_seconds.append(seconds)
                self.left[trial.trial_id] = (trial.until or epochs) - epoch
                self._consider(metrics.get("val_mota"), trial)
                figures = " ".join(
                    filter(
                        None,
                        [
                            f"epoch {epoch}/{epochs}",
                            _figures(metrics),
                            _weighting(weighting_status),
                            f"({show_duration(seconds)})",
                        ],
                    )
                )
                self.running[trial.trial_id] = (trial, epoch, Text(figures))
                self._say(trial, f"{figures}, ETA {self.eta}", keep=False)
            case TrialEnded(trial, row):
                self.running.pop(trial.trial_id, None)
                self.left.pop(trial.trial_id, None)
                self.ended += 1
                self._consider(row.get("val_mota"), trial)
                error = f": {row['error']}" if row.get("error") else ""
                parts = [
                    f"{row['status']}{error}",
                    _figures(row),
                    _weighting(row.get("weighting_status"), row.get("weighting_status_step")),
                    f"{row.get('device_seconds') or 0:.0f} device-seconds",
                ]
                self._say(trial, ", ".join(filter(None, parts)), keep=True)
            case TrialPaused(trial, row):
                self.running.pop(trial.trial_id, None)
                self.left.pop(trial.trial_id, None)
                self._say(trial, f"paused at epoch {row['epochs']}, {_figures(row)}", keep=False)
            case TrialDeclined(trial):
                self.left.pop(trial.trial_id, None)
                self._say(trial, "not started: what is left of the budget would not suffice", keep=True)
            case Note(text):
                self._show(Text(text), keep=True)

    @property
    def eta(self) -> str:
        """Time to go, at the mean pace of this run's epochs and with as many trials at a time as there are now."""
        if not self.epoch_seconds:
            return "unknown"
        longest = max((self.left.get(trial_id, 0) for trial_id in self.running), default=0)
        search, train = self.plan.study.search, self.plan.study.train
        each = search.epochs_per_generation if isinstance(search, Population) else train.epochs
        to_come = sum(self.left.values()) + max(0, self.unsuggested) * each
        epochs = max(longest, to_come / max(1, len(self.running)))
        return show_duration(epochs * sum(self.epoch_seconds) / len(self.epoch_seconds))

    def _consider(self, mota: float | None, trial: Trial) -> None:
        if mota is not None and mota == mota and (self.best is None or mota > self.best[0]):
            self.best = (mota, self.plan.label(trial))

    def _say(self, trial: Trial, text: str, *, keep: bool) -> None:
        self._show(Text(f"[{trial.index + 1}/{self.plan.total}] {self.plan.label(trial)}: {text}"), keep=keep)

    def _show(self, line: Text, *, keep: bool) -> None:
        if not self.console.is_terminal:
            self.console.print(line, soft_wrap=True)
        elif keep:
            self.recent = [*self.recent, line][-_RECENT:]

    def _render(self) -> RenderableType:
        total = self.plan.total
        elapsed = show_duration(time.monotonic() - self.started_at)
        best = f"   best val MOTA {self.best[0]:.3f} ({self.best[1]})" if self.best else ""
        heading = f"{self.plan.study.name}: {self.ended} of {total} trials   {elapsed} elapsed, ETA {self.eta}{best}"
        table = Table("trial", "configuration", "progress", "last epoch", box=None, pad_edge=False)
        for trial, epoch, text in sorted(self.running.values(), key=lambda entry: entry[0].index):
            bar = ProgressBar(total=trial.configuration.train.epochs, completed=epoch, width=16)
            table.add_row(f"{trial.index + 1}/{total}", self.plan.label(trial), bar, text)
        return Group(Text(heading, style="bold"), table, *self.recent)


def _epochs(trial: Trial) -> int:
    """Epochs that a trial which starts from nothing runs at most; one of a population begins where its parent ended."""
    generation = trial.suggested.get("generation") if trial.suggested else None
    epochs = trial.until or trial.configuration.train.epochs
    return epochs if generation is None else math.ceil(epochs / generation)


def _figures(metrics: Mapping[str, Any]) -> str:
    """Validation metrics that were measured, such as `val MOTA 0.612 IDF1 0.570 HOTA 0.433`."""
    shown = [
        f"{name.upper()} {metrics[f'val_{name}']:.3f}"
        for name in ("mota", "idf1", "hota")
        if metrics.get(f"val_{name}") is not None
    ]
    return f"val {' '.join(shown)}" if shown else ""


def _weighting(status: str | None, step: int | None = None) -> str:
    """What became of the loss weights, if something did: `loss weights collapsed since step 40`."""
    if status is None or status == "healthy":
        return ""
    return f"loss weights {status.replace('_', ' ')}" + (f" since step {step}" if step is not None else "")
