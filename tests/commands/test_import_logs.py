"""Runs that TensorBoard and MLflow have logged come as rows."""

import math
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from torch.utils.tensorboard import SummaryWriter

from analysis.leaderboard import leaderboard
from study.results import load

pytestmark = pytest.mark.usefixtures("_in_a_folder_of_its_own")


def log_tensorboard(folder: str, mota: list[float], first_step: int = 1, **hparams: str | float) -> None:
    with SummaryWriter(folder) as log:
        for step, value in enumerate(mota, start=first_step):
            log.add_scalar("val/mota", value, step)
            log.add_scalar("train/loss/cls", 1 / (step + 1), step)
            log.add_scalar("train/loss_weight/cls", 2.0, step)
            log.add_scalar("learning rate", 0.1, step)
        if hparams:
            log.add_hparams(hparams, {"final": mota[-1]}, run_name=".")


def test_event_files_become_trials_and_epochs(bring):
    for i, kind in enumerate(("hwf", "lwf")):
        log_tensorboard(f"runs/{kind}", [0.25, 0.5, 0.75 - i / 8], weighting=kind, seed=i, **{"train.lr": 0.5})
    told = bring("runs", "--ignore", "learning rate", fails=True)
    assert told.startswith("error: runs: name 'final' is not known;")
    told = bring("runs", "--known-only")
    assert "with series over epochs: 2" in told
    assert "left out, names: final, learning rate" in told
    rows = load("results").set_index("weighting")
    assert rows["val_mota"].to_dict() == {"hwf": 0.75, "lwf": 0.625}
    assert rows["seed"].to_dict() == {"hwf": 0, "lwf": 1}
    assert rows["epochs"].tolist() == [3, 3]
    assert rows["imported_from"]["lwf"] == str(Path("runs/lwf").absolute())
    epochs = load("results", "epochs")
    epochs = epochs[epochs["trial_id"] == rows["trial_id"]["hwf"]]
    metrics = epochs[(epochs["split"] == "val") & (epochs["task"] == "")]
    assert metrics.set_index("epoch")["mota"].to_dict() == {1: 0.25, 2: 0.5, 3: 0.75}
    losses = epochs[(epochs["split"] == "train") & (epochs["task"] == "cls")].set_index("epoch")
    assert losses["loss"].to_dict() == pytest.approx({1: 1 / 2, 2: 1 / 3, 3: 1 / 4})
    assert losses["loss_weight"].tolist() == [2, 2, 2]
    assert bring("runs", "--known-only", "--dry-run").count("in place of earlier rows") == 1
    assert bring("runs/hwf", "--known-only").count("in place of earlier rows") == 1
    assert len(load("results")) == 2


@pytest.mark.parametrize(
    ("first_step", "per_epoch", "epochs"), [(0, 1, [1, 2, 3, 4]), (1, 1, [1, 2, 3, 4]), (1, 2, [1, 2])]
)
def test_steps_are_epochs_or_make_them_up(bring, first_step, per_epoch, epochs):
    log_tensorboard("runs", [0.25, 0.5, 0.75, 0.875], first_step)
    bring("runs", "--known-only", "--set", "weighting=hwf", "--steps-per-epoch", str(per_epoch))
    rows = load("results", "epochs")
    mota = rows[rows["task"] == ""].set_index("epoch")["mota"]
    assert mota.index.tolist() == epochs
    assert mota.iloc[-1] == 0.875
    losses = rows[rows["task"] == "cls"].set_index("epoch")["loss"]
    steps = [1 / (step + 1) for step in range(first_step, first_step + 4)]
    means = [sum(steps[i : i + per_epoch]) / per_epoch for i in range(0, 4, per_epoch)]
    assert losses.tolist() == pytest.approx(means)


def test_folders_without_a_figure_are_left_out_and_told(bring):
    log_tensorboard("runs/a", [0.5], weighting="hwf")
    with SummaryWriter("runs") as log:
        log.add_scalar("learning rate", 0.1, 1)
    assert "left out, runs without a figure: runs\n" in bring("runs", "--known-only")
    assert len(load("results")) == 1
    assert load("results", "epochs").empty
    Path("other").mkdir()
    Path("runs", next(file.name for file in Path("runs").iterdir() if file.is_file())).rename("other/events.tfevents.1")
    told = bring("other", "--known-only", fails=True)
    assert told == "error: other: no run with a figure such as val_mota; names there: learning rate\n"
    told = bring("runs", "--known-only", "--name-columns", "a", fails=True)
    assert told.startswith("error: --name-columns a: is for CSV files")


def test_runs_of_mlflow_become_trials_and_epochs(bring, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    experiment = client.create_experiment("old")
    for kind, status in (("hwf", "FINISHED"), ("lwf", "FAILED")):
        run_id = client.create_run(experiment).info.run_id
        for name, value in {"weighting": kind, "lr": 0.5, "seed": 3, "weighting.loss_weights": '{"cls": 2}'}.items():
            client.log_param(run_id, name, value)
        for step in range(2 if status == "FINISHED" else 0):
            client.log_metric(run_id, "MOTA", 50.0 + step, step=step)
        client.set_terminated(run_id, status)
    bring("mlruns", "--map", "lr=train.lr", "--map", "MOTA=val_mota", "--percent")
    rows = load("results").set_index("weighting")
    assert rows["status"].to_dict() == {"hwf": "completed", "lwf": "failed"}
    assert rows["error"]["lwf"] == "FAILED in MLflow"
    assert rows["val_mota"]["hwf"] == pytest.approx(0.51)
    assert math.isnan(rows["val_mota"]["lwf"])
    assert rows["weighting.loss_weights.cls"].tolist() == [2, 2]
    assert load("results", "epochs")["mota"].tolist() == pytest.approx([0.5, 0.51])
    assert leaderboard(load("results"))["completed"].tolist() == [1, 0]
    bring("mlruns", "--map", "lr=train.lr", "--map", "MOTA=val_mota", "--percent")
    assert len(load("results")) == 2
