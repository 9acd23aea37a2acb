"""MLflow's local file store: an experiment a study, a run a trial.

MLflow adds nothing to its file store any more, and opens one only with `MLFLOW_ALLOW_FILE_STORE=true`
(docs/decisions.md).
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.events import Trial
from study.watchers.log import ended_at

if TYPE_CHECKING:
    from mlflow.entities import Run

_STATUS = {"completed": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED"}
"""MLflow's status of a run; `FAILED` for any other."""

_TAGS = {
    "status": "status",
    "error": "error",
    "weighting_status": "weighting_status",
    "git_sha": "mlflow.source.git.commit",
}
"""Columns of `trials` that become tags."""

_ENDED = "ended_at"
"""Tag of a run that is complete; holds the time of its end."""

_PAGE = 1000
"""Runs that are read at a time."""


class FileStore:
    """Runs of a study, told apart by their tag `trial_id`.

    Args:
        folder: of the store.
        study: name of the experiment.
    """

    def __init__(self, folder: Path, study: str) -> None:
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported: nothing is sent anywhere
        from mlflow import MlflowClient

        folder.parent.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=folder.as_uri())
        experiment = self._client.get_experiment_by_name(study)
        self._experiment: str = experiment.experiment_id if experiment else self._client.create_experiment(study)
        self._runs = self._find_runs()
        self._recorded: dict[str, dict[tuple[str, int], float]] = {}  # by trial_id: key and step to value

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a trial's run is there with the end that this row tells of."""
        run = self._runs.get(row["trial_id"])
        return run is not None and run.data.tags.get(_ENDED) == ended_at(row)

    def open(self, trial: Trial, name: str, settings: Mapping[str, Any], started: float) -> None:
        """Begin a trial's run, or go on with it; a run of discarded rows is deleted as MLflow does it."""
        from mlflow.entities import Param

        start_time = round(started * 1000)
        run = self._runs.pop(trial.trial_id, None)
        if run is not None and run.info.start_time < start_time:
            self._client.delete_run(run.info.run_id)
            run = None
        if run is None:
            tags = {"trial_id": trial.trial_id, "configuration_id": trial.configuration_id}
            run = self._client.create_run(self._experiment, start_time, tags, name)
        run_id = run.info.run_id
        self._client.update_run(run_id, "RUNNING", name)
        for tag in run.data.tags.keys() & {*_TAGS.values(), _ENDED}:
            self._client.delete_tag(run_id, tag)
        self._runs[trial.trial_id] = run
        self._recorded[trial.trial_id] = {
            (metric.key, metric.step): metric.value
            for key in run.data.metrics
            for metric in self._client.get_metric_history(run_id, key)
        }
        params = {_key(name): str(value) for name, value in settings.items()}
        new = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        self._client.log_batch(run_id, params=new)

    def epoch(self, trial_id: str, epoch: int, figures: Mapping[str, float], at: float) -> None:
        """Record the figures of an epoch of an open run, unless they are."""
        recorded = self._recorded[trial_id]
        new = {name: value for name, value in figures.items() if (_metric(name), epoch) not in recorded}
        self._record(trial_id, epoch, new, at)

    def end(self, row: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """Record the end of an open run; its time comes last, and says that all is there."""
        trial_id, epoch, at = row["trial_id"], row["epochs"], row["ended_at"].timestamp()
        recorded = self._recorded.pop(trial_id)
        # What a trial cost may have changed since it last ended after this epoch.
        new = {name: value for name, value in figures.items() if recorded.get((_metric(name), epoch)) != value}
        self._record(trial_id, epoch, new, at)
        run_id = self._runs[trial_id].info.run_id
        for column, tag in _TAGS.items():
            if row[column] is not None:
                self._client.set_tag(run_id, tag, row[column])
        self._client.set_terminated(run_id, _STATUS.get(row["status"], "FAILED"), round(at * 1000))
        self._client.set_tag(run_id, _ENDED, ended_at(row))
        self._runs[trial_id] = self._client.get_run(run_id)

    def close(self) -> None:
        """Nothing: every file is written at once."""

    def _record(self, trial_id: str, epoch: int, figures: Mapping[str, float], at: float) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(_metric(name), value, round(at * 1000), epoch) for name, value in figures.items()]
        self._client.log_batch(self._runs[trial_id].info.run_id, metrics)

    def _find_runs(self) -> "dict[str, Run]":
        """The latest run of every trial."""
        runs: dict[str, Run] = {}
        token: str | None = None
        while token != "":
            page = self._client.search_runs(
                [self._experiment], max_results=_PAGE, order_by=["start_time ASC"], page_token=token
            )
            runs |= {run.data.tags["trial_id"]: run for run in page if "trial_id" in run.data.tags}
            token = page.token or ""
        return runs


def open_log(folder: Path, study: str) -> FileStore:
    """The store of a study, given its folder on this machine."""
    return FileStore(folder / "mlruns", study)


def how_to_open(folder: Path) -> str:
    """The command that shows it; `mlflow-skinny`, which writes it, does not bring that command."""
    return f"MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri '{folder / 'mlruns'}'"


def _key(*parts: str) -> str:
    """A name that MLflow takes: in its files a stroke begins a folder, and the names of others may not lie in it."""
    return "/".join(re.sub(r"[^\w. -]", "_", part) for part in parts)


def _metric(name: str) -> str:
    """A figure's name, in a folder by what it tells of a task."""
    return _key(*name.split("/", 1))
