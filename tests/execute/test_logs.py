"""Logs of studies on a real Ray of this machine: what their tools read of them."""

import pytest
from mlflow import MlflowClient
from ray.tune import ExperimentAnalysis
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import open_study, tiny_study

from study.events import EpochFinished, Note
from study.execute import run_study
from study.execute.cluster import connected
from study.watchers.watcher import Watchers


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_module():
    with connected(threads=1):
        yield


def test_a_study_with_a_worker_killed_is_logged_whole_and_once(tmp_path, cache_dir, capfd):
    kill = {"weighting.action": "kill", "weighting.at_step": 5, "weighting.once": str(tmp_path / "done")}
    plan, store = open_study(tiny_study([{}, kill]), tmp_path, cache_dir)
    events = []
    tune_folder = store.local_folder() / "tune" / "now"
    with Watchers(["tensorboard", "mlflow"], plan, store, events.append) as watchers:
        run_study(plan, store, watchers, tune_folder=tune_folder)
    assert capfd.readouterr() == ("", "")
    assert [event.text for event in events if isinstance(event, Note) and "--log" in event.text] == []
    rows = {row["trial_id"]: row for row in store.trials()}
    assert [rows[trial.trial_id]["attempts"] for trial in plan.trials] == [1, 2]

    stored = {
        trial_id: {row["epoch"]: row["mota"] for row in store.read_rows("epochs", trial_id) if not row["task"]}
        for trial_id in rows
    }
    for run in (store.local_folder() / "tensorboard").iterdir():
        log = EventAccumulator(str(run))
        log.Reload()
        points = [(event.step, event.value) for event in log.Scalars("val/mota")]
        assert points == [pytest.approx(point) for point in stored.pop(run.name.rpartition(" ")[2]).items()]
    assert not stored

    client = MlflowClient((store.local_folder() / "mlruns").as_uri())
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert {run.data.tags["trial_id"] for run in runs} == set(rows)
    for run in runs:
        row = rows[run.data.tags["trial_id"]]
        assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss/reid")] == [1, 2, 3]
        assert (run.info.status, run.data.metrics["test_mota"]) == ("FINISHED", row["test_mota"])

    analysis = ExperimentAnalysis(str(tune_folder))
    best = analysis.dataframe(metric="val_mota", mode="max").set_index("config/trial_id")
    assert best["val_mota"].max() == max(row["val_mota"] for row in rows.values())
    assert set(best.index) == set(rows)
    for trial in analysis.trials:
        results = analysis.trial_dataframes[trial.trial_id]
        assert results["epoch"].tolist() == [1, 2, 3, 3]  # and one that tells of the end
        assert results["val_mota"].iloc[-1] == rows[trial.config["trial_id"]]["val_mota"]


def test_what_tune_saw_of_an_interrupted_study_is_kept_and_its_runs_end(tmp_path, cache_dir):
    plan, store = open_study(tiny_study(epochs=50), tmp_path, cache_dir)

    def interrupt(event):
        if isinstance(event, EpochFinished) and event.epoch == 2:
            raise KeyboardInterrupt

    tune_folder = store.local_folder() / "tune" / "now"
    with (
        pytest.raises(KeyboardInterrupt),
        Watchers(["tensorboard", "mlflow"], plan, store, interrupt) as watchers,
    ):
        run_study(plan, store, watchers, tune_folder=tune_folder)
    (results,) = ExperimentAnalysis(str(tune_folder)).trial_dataframes.values()
    assert results["epoch"].tolist()[:2] == [1, 2]
    client = MlflowClient((store.local_folder() / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    (row,) = store.trials()
    assert (run.info.status, run.data.tags["status"]) == ("KILLED", "interrupted")
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss/cls")] == [
        *range(1, row["epochs"] + 1)
    ]


def test_a_record_of_tune_that_cannot_be_kept_ends_nothing(tmp_path, cache_dir):
    plan, store = open_study(tiny_study(epochs=1), tmp_path, cache_dir)
    (tmp_path / "file").write_text("in the way")
    events = []
    run_study(plan, store, events.append, tune_folder=tmp_path / "file" / "now")
    assert [row["status"] for row in store.trials()] == ["completed"]
    (note,) = (event.text for event in events if isinstance(event, Note))
    assert note.startswith(f"--log tune: the record of Ray Tune cannot be kept in {tmp_path}/file/now: ")
