from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from study.errors import UserError
from study.imports.sources import read


@pytest.fixture
def client(tmp_path, monkeypatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())


def log_run(client: MlflowClient, experiment: str, name: str, status: str | None = "FINISHED") -> str:
    run = client.create_run(experiment, run_name=name, start_time=1_700_000_000_000)
    run_id = run.info.run_id
    client.log_param(run_id, "train.lr", "0.1")
    client.log_param(run_id, "model/depth", 3)
    client.set_tag(run_id, "mlflow.source.git.commit", "abc")
    for step, value in ((1, 0.5), (0, 0.25), (10, 0.75)):
        client.log_metric(run_id, "val_mota", value, step=step, timestamp=100 - step)
    client.log_metric(run_id, "train/loss/cls", float("nan"), timestamp=7)
    client.log_metric(run_id, "train/loss/cls", 2.0, timestamp=8)
    if status is not None:
        client.set_terminated(run_id, status, end_time=1_700_000_060_000)
    return run_id


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_a_run_has_its_params_and_its_metrics_by_step(client, tmp_path):
    experiment = client.create_experiment("old")
    run_id = log_run(client, experiment, "first")
    before = files(tmp_path)
    (run,) = read(str(tmp_path / "mlruns"))
    assert run.values == {"train.lr": "0.1", "model/depth": "3"}
    assert run.series == {"val_mota": {0: 0.25, 1: 0.5, 10: 0.75}, "train/loss/cls": {0: 2.0}}
    assert run.name == ("mlflow", run_id)
    assert run.where == f"{tmp_path}/mlruns/{experiment}/{run_id} (first)"
    assert run.facts["git_sha"] == "abc"
    assert run.facts["started_at"].isoformat() == "2023-11-14T22:13:20+00:00"
    assert (run.facts["ended_at"] - run.facts["started_at"]).total_seconds() == 60
    assert files(tmp_path) == before
    for inner in (experiment, f"{experiment}/{run_id}"):
        assert read(str(tmp_path / "mlruns" / inner))[0].name == run.name


@pytest.mark.parametrize(
    ("theirs", "status", "error"),
    [
        ("FINISHED", "completed", None),
        ("FAILED", "failed", "FAILED in MLflow"),
        ("KILLED", "interrupted", "KILLED in MLflow"),
        (None, "interrupted", "RUNNING in MLflow"),
    ],
)
def test_a_run_ends_as_mlflow_says(client, tmp_path, theirs, status, error):
    log_run(client, client.create_experiment("old"), "run", theirs)
    (run,) = read(str(tmp_path / "mlruns"))
    assert (run.facts["status"], run.facts["error"]) == (status, error)


def test_experiments_of_a_store_are_read_and_what_was_deleted_is_not(client, tmp_path):
    one, two, three = (client.create_experiment(name) for name in ("one", "two", "three"))
    kept = {log_run(client, one, "a"), log_run(client, two, "b")}
    client.delete_run(log_run(client, one, "c"))
    log_run(client, three, "d")
    client.delete_experiment(three)
    assert {run.name[1] for run in read(str(tmp_path / "mlruns"))} == kept


def test_a_file_that_mlflow_did_not_write_so_is_named(client, tmp_path):
    run_id = log_run(client, experiment := client.create_experiment("old"), "run")
    folder = tmp_path / "mlruns" / experiment / run_id
    metric = folder / "metrics" / "val_mota"
    metric.write_text("1 0.5 1\n2 much 2\n")
    with pytest.raises(UserError, match=f"{metric}:2: expected time, value and step, found '2 much 2'"):
        read(str(tmp_path / "mlruns"))
    meta = folder / "meta.yaml"
    meta.write_text(meta.read_text().replace("status: 3", "status: 9"))
    with pytest.raises(UserError, match=f"{meta}: status 9, expected MLflow's 1 to 5"):
        read(str(tmp_path / "mlruns"))
    meta.write_text("[")
    with pytest.raises(UserError, match=f"{meta}: not the description of an MLflow experiment or run"):
        read(str(tmp_path / "mlruns"))
