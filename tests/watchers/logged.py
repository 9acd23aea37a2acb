"""A study whose trials never run: their rows are written by hand, and what logs hold of them is read by the tools."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from example_rows import make_entry, make_row, make_study
from mlflow import MlflowClient
from mlflow.entities import Run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from study.events import EpochFinished, Event, Note, Trial, TrialEnded, TrialStarted
from study.plan import Plan, make_plan
from study.results import ResultStore
from study.watchers.watcher import Watchers

Points = dict[str, dict[str, list[tuple[int, float]]]]
"""By trial_id and name of a figure: steps and values, as they stand there."""

TASKS = ("cls", "reg", "reid")
NAMES = {
    *(f"{name}/{task}" for name in ("loss", "loss_weight", "val_loss") for task in TASKS),
    *("weighted_total", "gradient_norm", "val_mota", "val_motp", "val_idf1"),
}
"""Figures of an epoch."""


class Driver:
    """Plays a study that is run, with logs: what workers would write, then the event that tells of it."""

    def __init__(self, names: list[str], results: Path | str, cache_dir: Path) -> None:
        self.names, self.cache_dir = names, cache_dir
        self.store = ResultStore(results, "example")
        self.events: list[Event] = []
        self.plan = self.plan_again()
        self.watchers = Watchers(names, self.plan, self.store, self.events.append)

    def plan_again(self) -> Plan:
        points = [{"weighting.loss_weights": {"cls": cls}} for cls in (0.5, 2.0)] + [{"weighting.kind": "uncertainty"}]
        return make_plan(make_study(points), self.store, cache_dir=self.cache_dir)

    def __enter__(self) -> "Driver":
        self.watchers.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.watchers.__exit__(*error)

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    def start(self, trial: Trial, attempt: int = 1, day: int = 1) -> None:
        started = datetime(2026, 1, day, attempt, tzinfo=UTC)
        self.store.write_ledger(make_entry(trial, attempt, started_at=started))
        self.watchers(TrialStarted(trial, attempt))

    def epochs(self, trial: Trial, *epochs: int, losses_from: float = 1.0) -> None:
        for epoch in epochs:
            stored = self.store.read_rows("epochs", trial.trial_id)
            rows = [row for row in stored if row["epoch"] < epoch] + epoch_rows(epoch, losses_from)
            self.store.write_rows("epochs", trial.trial_id, rows)
            self.watchers(EpochFinished(trial, epoch, 4, {"val_mota": epoch / 8}, 3.0, "healthy"))

    def end(
        self, trial: Trial, status: str = "completed", *, epochs: int = 4, event: Any = TrialEnded, **values: Any
    ) -> None:
        """Without an `event` the row is written, but nobody tells."""
        row = make_row(trial, 0.5, status=status, epochs=epochs, ledger=self.store.ledger(trial.trial_id), **values)
        self.store.write_trial(row)
        if event is not None:
            self.watchers(event(trial, row))

    def whole(self, trial: Trial) -> None:
        self.start(trial)
        self.epochs(trial, 1, 2, 3, 4)
        self.end(trial, metrics={"val_mota": 0.5, "test_mota": 0.25})


def epoch_rows(epoch: int, losses_from: float = 1.0) -> list[dict[str, Any]]:
    """Rows of `epochs` with losses that end in fractions of two; only even epochs are validated."""
    seconds = {"train_seconds": 2.0, "eval_seconds": 1.0}
    train: Mapping[str, Any] = {"split": "train", "loss_weight": 1.5, "weighted_total": 4.5, "gradient_norm": 0.25}
    rows = [{"epoch": epoch, "task": task, "loss": losses_from / epoch, **train, **seconds} for task in TASKS]
    if epoch % 2 == 0:
        rows += [{"epoch": epoch, "task": task, "split": "val", "loss": 2.0, **seconds} for task in TASKS]
        rows.append(
            {"epoch": epoch, "task": "", "split": "val", "mota": epoch / 8, "idf1": 0.5, "motp": math.nan, **seconds}
        )
    return rows


def read_tensorboard(results: Path) -> Points:
    points = {}
    for run in (results / "tensorboard").iterdir():
        events = EventAccumulator(str(run))
        events.Reload()
        points[run.name.rpartition(" ")[2]] = {
            tag.replace("val/", "val_").replace("test/", "test_"): [(e.step, e.value) for e in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
    return points


def read_mlflow(results: Path) -> Points:
    client = MlflowClient((results / "mlruns").as_uri())
    return {
        trial_id: {
            name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        for trial_id, run in mlflow_runs(results).items()
    }


def mlflow_runs(results: Path) -> dict[str, Run]:
    client = MlflowClient((results / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("example")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len({run.data.tags["trial_id"] for run in runs}) == len(runs)
    return {run.data.tags["trial_id"]: run for run in runs}


READ = {"tensorboard": read_tensorboard, "mlflow": read_mlflow}
