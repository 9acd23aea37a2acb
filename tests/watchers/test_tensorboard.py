from pathlib import Path

import pytest
from logged import Driver
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data as parse


@pytest.fixture
def driver(tmp_path, tmp_path_factory):
    with Driver(["tensorboard"], tmp_path, tmp_path_factory.mktemp("cache")) as driver:
        yield driver


def accumulator(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run))
    events.Reload()
    return events


def test_runs_are_named_by_what_tells_them_apart(driver, tmp_path):
    for trial in driver.plan.trials:
        driver.whole(trial)
    names = ("weighting=hwf cls=0.5 seed=0", "weighting=hwf cls=2 seed=0", "weighting=uncertainty seed=0")
    expected = {f"{name} {trial.trial_id}" for name, trial in zip(names, driver.plan.trials, strict=True)}
    assert {path.name for path in (tmp_path / "example" / "tensorboard").iterdir()} == expected


def test_settings_are_in_the_hparams_tab(driver, tmp_path):
    for trial in driver.plan.trials:
        driver.start(trial)
    settings = {}
    for run in (tmp_path / "example" / "tensorboard").iterdir():
        content = accumulator(run).PluginTagToContent("hparams")["_hparams_/session_start_info"]
        hparams = parse(content).hparams
        settings[hparams["weighting"].string_value, hparams["weighting.loss_weights.cls"].number_value] = set(hparams)
    hard = {"weighting", "seed", "weighting.loss_weights.cls"}
    assert settings["hwf", 0.5] == settings["hwf", 2.0] == hard
    assert settings["uncertainty", 0.0] > {"weighting", "seed"}


def test_times_are_those_at_which_epochs_ended(driver, tmp_path):
    trial = driver.plan.trials[0]
    with Driver([], tmp_path, driver.cache_dir) as unwatched:
        unwatched.whole(trial)
    with Driver(["tensorboard"], tmp_path, driver.cache_dir):
        pass
    (row,) = driver.store.trials()
    (run,) = (tmp_path / "example" / "tensorboard").iterdir()
    times = [event.wall_time for event in accumulator(run).Scalars("loss/cls")]
    assert times == pytest.approx([row["ended_at"].timestamp() - 3 * later for later in (3, 2, 1, 0)])


def test_a_tensorboard_that_is_open_sees_every_epoch_of_a_run_that_goes_on_once(driver, tmp_path):
    trial = driver.plan.trials[0]
    driver.start(trial)
    driver.epochs(trial, 1, 2)
    (run,) = (tmp_path / "example" / "tensorboard").iterdir()
    watching = accumulator(run)
    with Driver(["tensorboard"], tmp_path, driver.cache_dir) as again:
        again.start(trial, 2)
        again.epochs(trial, 3)
        for events in (watching, accumulator(run)):
            events.Reload()
            assert [event.step for event in events.Scalars("loss/cls")] == [1, 2, 3]


def test_a_trial_that_fails_twice_before_its_first_epoch_has_one_end(driver, tmp_path):
    trial = driver.plan.trials[0]
    for attempt in (1, 2):
        driver.start(trial, attempt)
        driver.end(trial, "failed", epochs=0)
    (run,) = (tmp_path / "example" / "tensorboard").iterdir()
    (row,) = driver.store.trials()
    assert [(event.step, event.value) for event in accumulator(run).Scalars("device_seconds")] == [(0, 200.0)]
    assert row["device_seconds"] == 200.0
