"""What every sampler must do here, whatever is killed, lost or changed in between."""

import contextlib
import itertools
import math
import shutil
import sqlite3
from pathlib import Path
from typing import get_args

import optuna
import pytest
import sqlalchemy
from example_rows import DATA_HASH, make_row
from optuna.trial import TrialState
from s3_server import serve
from searches import SPACE, Driver, mota, search_study

from study.errors import UserError
from study.results import ResultStore
from study.search.storage import NAME
from study.search_config import ASHA, Median, Sampler
from study.space import Choice, Integer, LogUniform, Option, Simplex, Weights
from study.weighting import famo, hwf, lwf

SAMPLERS = get_args(Sampler)
MANY_OBJECTIVES = [sampler for sampler in SAMPLERS if sampler != "cmaes"]

START = ({"weighting.loss_weights": {"cls": 2.0, "reg": 0.5}},)


def ids(trials):
    return [trial.configuration_id for trial in trials]


def load(driver):
    """The last Optuna study of a results folder, read as anybody would."""
    storage = f"sqlite:///{driver.results}/example/{NAME}"
    return optuna.load_study(study_name=optuna.get_all_study_names(storage)[-1], storage=storage)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """By sampler: what a search of five configurations suggests that nobody disturbs."""
    found = {}

    def run(sampler):
        if sampler not in found:
            study = search_study(5, sampler=sampler, start=START)
            found[sampler] = Driver(study, tmp_path_factory.mktemp(sampler))
            found[sampler].run()
        return found[sampler]

    return run


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_ends_after_so_many_distinct_configurations(sampler, undisturbed):
    driver = undisturbed(sampler)
    assert len(set(ids(driver.suggested))) == len(driver.suggested) == 5
    assert driver.notes == []
    trials = [trial for trial in load(driver).trials if trial.state == TrialState.COMPLETE]
    assert {trial.user_attrs["trial_id"]: trial.value for trial in trials} == {
        trial.trial_id: mota(trial) for trial in driver.suggested
    }
    assert [trial.index for trial in driver.suggested] == list(range(5))
    assert {trial.seed for trial in driver.suggested} == {0}
    for trial in driver.suggested:
        assert math.fsum(trial.configuration.weighting.loss_weights.values()) == pytest.approx(3)
    assert driver.run() == []


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_its_seed_decides_what_a_search_suggests(sampler, undisturbed, tmp_path):
    first = ids(undisturbed(sampler).suggested)
    same = Driver(search_study(5, sampler=sampler, start=START), tmp_path / "same")
    other = Driver(search_study(3, sampler=sampler, start=START, sampler_seed=1), tmp_path / "other")
    assert ids(same.run()) == first
    assert not set(ids(other.run())[1:]) & set(first)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_goes_on_where_it_was_killed_and_nothing_is_suggested_twice(sampler, undisturbed, tmp_path):
    driver = Driver(undisturbed(sampler).study, tmp_path)
    under_way = None
    for length in itertools.cycle((1, 2, 3, 4, 5)):
        life = driver.steps()
        before = len(driver.suggested)
        steps = list(itertools.islice(life, length))  # and it is not heard of again
        if under_way is not None and len(steps) > 1:
            assert driver.suggested[before].configuration_id == under_way
        if len(steps) < length:
            break
        match steps[-1]:
            case "suggested" | "progressed":
                under_way = driver.suggested[-1].configuration_id
            case "written" | "told":
                under_way = None
    assert list(dict.fromkeys(ids(driver.suggested))) == ids(undisturbed(sampler).suggested)
    assert {row["trial_id"] for row in driver.store.trials()} == {
        trial.trial_id for trial in undisturbed(sampler).suggested
    }
    assert driver.notes == []


def test_what_cma_es_has_learned_outlasts_a_restart(tmp_path):
    study = search_study(15, sampler="cmaes")  # more than two generations
    whole, in_lives = Driver(study, tmp_path / "whole"), Driver(study, tmp_path / "in lives")
    whole.run()
    for _ in range(5):
        in_lives.run(most=3)
    assert ids(in_lives.suggested) == ids(whole.suggested)
    figures = [mota(trial) for trial in whole.suggested]
    assert sum(figures[-5:]) / 5 > sum(figures[:5]) / 5 + 0.005


def test_a_search_goes_on_from_every_state_that_a_kill_can_leave(tmp_path):
    """Before each of its commits, with SQLite's journal as it is then, and after each row."""
    driver = Driver(search_study(2, sampler="random", start=START), tmp_path / "whole")
    copies: list[Path] = []

    def copy(_: object = None) -> None:
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(driver.results, copies[-1])

    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", copy)
    try:
        for step in driver.steps():
            if step == "written":
                copy()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "commit", copy)
    start, second = ids(driver.suggested)
    assert len(copies) > 20
    seen = set()
    for results in copies:
        content = frozenset((path.name, path.read_bytes()) for path in results.rglob("*") if path.is_file())
        if content not in seen:
            seen.add(content)
            after = Driver(driver.study, results)
            done = [row["configuration_id"] for row in after.store.trials()]
            again = ids(after.run())
            assert len(done) + len(again) == 2
            assert {*done, *again} == {start, second}
            assert all(trial.state.is_finished() for trial in load(after).trials)
            assert after.run() == []


def test_all_that_were_under_way_come_first_again(tmp_path):
    driver = Driver(search_study(4), tmp_path)
    suggestions = driver.open()
    under_way = [suggestions.next(), suggestions.next()]
    again = driver.open()
    assert [again.next(), again.next()] == under_way
    again.close()
    assert ids(driver.run())[:2] == ids(under_way)
    assert len(driver.store.trials()) == 4


def test_looking_again_enqueues_nothing_twice(tmp_path):
    driver = Driver(search_study(4, start=START), tmp_path)
    driver.open().close()
    before = len(load(driver).trials)
    driver.open().close()
    assert len(load(driver).trials) == before == 1
    driver.run(status_of=lambda _: "failed")
    for _ in range(3):
        driver.open().close()
    assert [trial.state for trial in load(driver).trials].count(TrialState.WAITING) == 4


def _delete(path):
    path.unlink()


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _overwrite(path):
    path.write_bytes(b"garbage " * 1000)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_delete, _truncate, _overwrite, _empty])
@pytest.mark.parametrize("sampler", ["random", "cmaes"])
def test_a_lost_or_damaged_storage_is_filled_again_from_the_rows(damage, sampler, tmp_path, undisturbed):
    driver = Driver(undisturbed(sampler).study, tmp_path)
    driver.run(most=3)
    driver.write(driver.suggested[2], "interrupted")
    path = tmp_path / "example" / NAME
    damage(path)
    damaged = path.read_bytes() if path.exists() else b""
    again = driver.run()
    assert again[0].trial_id == driver.suggested[2].trial_id
    assert len({row["trial_id"] for row in driver.store.trials()}) == len(driver.store.trials()) == 5
    assert driver.notes[-1] == f"{path} is new: 2 earlier trials fit the search and count"
    kept = path.with_name(f"{NAME}.damaged-1")
    if damage in (_delete, _empty):
        assert len(driver.notes) == 1
        assert not kept.exists()
    else:
        assert driver.notes[0] == f"{path} could not be read: kept as {kept.name}, made again from the rows"
        assert kept.read_bytes() == damaged
    values = {trial.user_attrs["trial_id"]: trial.value for trial in load(driver).trials if trial.values}
    assert values == {trial.trial_id: mota(trial) for trial in driver.suggested}
    if sampler == "random":
        assert ids(driver.suggested[:3] + again[1:]) == ids(undisturbed(sampler).suggested)


def test_damaged_files_are_all_kept(tmp_path):
    driver = Driver(search_study(2), tmp_path)
    path = tmp_path / "example" / NAME
    for i in (1, 2):
        path.write_bytes(b"garbage" * i)
        driver.open().close()
        assert path.with_name(f"{NAME}.damaged-{i}").read_bytes() == b"garbage" * i


def test_a_database_of_somebody_else_is_kept(tmp_path):
    driver = Driver(search_study(2), tmp_path)
    path = tmp_path / "example" / NAME
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE version_info (mine TEXT)")
        connection.execute("INSERT INTO version_info VALUES ('theirs')")
    assert len(driver.run()) == 2
    with contextlib.closing(sqlite3.connect(path.with_name(f"{NAME}.damaged-1"))) as connection:
        assert connection.execute("SELECT mine FROM version_info").fetchall() == [("theirs",)]


def test_a_storage_that_somebody_else_writes_to_is_no_damaged_one(tmp_path, monkeypatch):
    driver = Driver(search_study(2), tmp_path)
    driver.run(most=1)
    path = tmp_path / "example" / NAME
    monkeypatch.setattr("study.search.storage.WAIT_SECONDS", 0.1)
    told = rf"cannot use {path}: database is locked; .*close whatever else has it open"
    suggestions = driver.open()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match=told):
            driver.open()
        with pytest.raises(UserError, match=told):
            suggestions.next()
    suggestions.close()
    assert len(driver.run()) == 1
    assert [found.name for found in path.parent.glob("*damaged*")] == []


def test_earlier_trials_that_fit_a_changed_space_count(tmp_path):
    before = Driver(search_study(6, space={"weighting.loss_weights": Simplex(ratio=5)}), tmp_path)
    before.run()
    weights = [trial.configuration.weighting.loss_weights for trial in before.suggested]
    fitting = sum(all(0.25 <= w[task] / w["cls"] <= 4 for task in ("reg", "reid")) for w in weights)
    assert 0 < fitting < 5
    after = Driver(search_study(5, space={"weighting.loss_weights": Simplex(ratio=4)}), tmp_path)
    new = after.run()
    assert len(new) == 5 - fitting
    assert after.notes == [
        f"the search has changed since it ran last: {fitting} earlier trials fit the new one and count; "
        "the others keep their rows"
    ]
    assert len(after.store.trials()) == 6 + len(new)
    assert len(load(after).trials) == 5


def test_parameters_under_other_names_are_found_from_the_configuration(tmp_path):
    grid = {"train.lr": Choice(values=(0.001, 0.002, 0.004)), "train.epochs": Integer(low=4, high=5)}
    before = Driver(search_study(3, space=grid), tmp_path)
    before.run()
    wider = {"weighting": Choice(values=(Option(value=hwf.Config(), space=grid), famo.Config()))}
    after = Driver(search_study(4, space=wider), tmp_path)
    assert len(after.run()) == 1
    assert "3 earlier trials fit" in after.notes[0]


def test_what_else_a_changed_search_is(tmp_path):
    Driver(search_study(2), tmp_path).run()
    for changes in (
        {"objectives": ("val_idf1",)},
        {"train": {"epochs": 5}},
        {"seeds": (1,)},
    ):
        driver = Driver(search_study(2, **changes), tmp_path)
        driver.run()
        assert driver.notes[0].startswith("the search has changed since it ran last: ")
    for changes in ({"sampler": "random"}, {"sampler_seed": 3}, {"finalists": 2}, {"early_stopping": ASHA()}):
        driver = Driver(search_study(2, **changes), tmp_path)
        assert driver.run() == []
        assert driver.notes == []


def test_more_configurations_go_on_and_fewer_end(tmp_path):
    first = Driver(search_study(2), tmp_path).run()
    more = Driver(search_study(4), tmp_path)
    assert len(more.run()) == 2
    assert not set(ids(more.suggested)) & set(ids(first))
    assert more.notes == []
    assert Driver(search_study(3), tmp_path).run() == []


def test_starting_points_come_first_where_the_space_has_them(tmp_path):
    points = (
        {"weighting.loss_weights": {"cls": 2.0, "reg": 4.0, "reid": 6.0}},
        {"weighting": hwf.Config(loss_weights={"cls": 1.0, "reg": 0.5})},
        {"weighting.loss_weights": {"cls": 1.0, "reg": 2.0, "reid": 3.0}},  # the first one again
    )
    suggested = Driver(search_study(4, start=points), tmp_path).run()
    weights = [list(trial.configuration.weighting.loss_weights.values()) for trial in suggested]
    assert weights[0] == pytest.approx([0.5, 1.0, 1.5])
    assert weights[1] == pytest.approx([1.2, 0.6, 1.2])
    assert len(set(ids(suggested))) == 4


def test_starting_points_that_are_added_later_are_tried_too(tmp_path):
    Driver(search_study(2), tmp_path).run()
    more = Driver(search_study(2, start=START), tmp_path)
    (suggested,) = more.run()
    assert suggested.configuration.weighting.loss_weights["cls"] == pytest.approx(2.0 / 3.5 * 3)


def test_a_starting_point_that_has_a_row_is_not_tried_again(tmp_path):
    driver = Driver(search_study(2, start=START), tmp_path)
    (first,) = driver.run(most=1)
    (tmp_path / "example" / NAME).unlink()
    assert first.configuration_id not in ids(driver.run())
    assert len(load(driver).trials) == 2


FOUR = {"train.lr": Choice(values=(0.001, 0.002)), "train.epochs": Integer(low=4, high=5)}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_discrete_space_ends_with_its_last_point(sampler, tmp_path):
    driver = Driver(search_study(20, space=FOUR, sampler=sampler), tmp_path)
    assert len(set(ids(driver.run()))) == len(driver.suggested) == 4
    assert driver.notes == []
    for trial in load(driver).trials:
        assert trial.value in {mota(suggested) for suggested in driver.suggested}


def test_a_space_whose_points_are_the_same_configurations_ends_with_a_note(tmp_path):
    words = {"train.epochs": Choice(values=(4, "4", 5))}
    driver = Driver(search_study(3, space=words), tmp_path)
    assert len(driver.run()) == 2
    assert driver.notes == ["the space has no new points: the search ends after 2 configurations"]


@pytest.mark.parametrize(
    ("status", "figures", "state"),
    [
        ("completed", {"val_mota": 0.5}, TrialState.COMPLETE),
        ("completed", {"val_mota": math.nan}, TrialState.FAIL),
        ("completed", {"val_mota": None}, TrialState.FAIL),
        ("completed", {}, TrialState.FAIL),
        ("pruned", {"val_mota": 0.25}, TrialState.PRUNED),
        ("diverged", {}, TrialState.FAIL),
        ("failed", {}, TrialState.FAIL),
        ("oom", {}, TrialState.FAIL),
        ("timeout", {}, TrialState.FAIL),
        ("interrupted", {"val_mota": 0.25}, TrialState.RUNNING),
        (None, {}, TrialState.RUNNING),
    ],
)
def test_what_optuna_is_told(status, figures, state, tmp_path):
    driver = Driver(search_study(2), tmp_path)
    suggestions = driver.open()
    trial = suggestions.next()
    suggestions.progress(trial, 1, {"val_mota": 0.125})
    suggestions.progress(trial, 2, {})
    suggestions.progress(trial, 3, {"val_mota": math.nan})
    suggestions.tell(trial, status, figures)
    (told,) = load(driver).trials
    assert told.state == state
    assert told.intermediate_values == {1: 0.125}
    assert told.value == {TrialState.COMPLETE: 0.5, TrialState.PRUNED: 0.125}.get(state)
    assert suggestions.ended == (state == TrialState.RUNNING)
    suggestions.close()


@pytest.mark.parametrize(
    ("status", "again"),
    [("completed", False), ("pruned", False), ("diverged", False)]
    + [(status, True) for status in ("failed", "oom", "timeout", "interrupted")],
)
@pytest.mark.parametrize("lost", [False, True])
def test_what_broke_off_runs_again_in_the_next_run_and_what_stands_does_not(status, again, lost, tmp_path):
    driver = Driver(search_study(3, early_stopping=Median()), tmp_path)
    first, *others = driver.run(most=2, status_of=lambda trial: "completed" if trial.index else status)
    assert len(others) == (status != "interrupted")  # then nothing new begins
    if lost:
        (tmp_path / "example" / NAME).unlink()
    rest = driver.run()
    assert (first.configuration_id in ids(rest)) == again
    assert not set(ids(others)) & set(ids(rest))
    assert {row["trial_id"] for row in driver.store.trials()} == {trial.trial_id for trial in driver.suggested}
    assert len(driver.store.trials()) == 3


@pytest.mark.parametrize("lost", [False, True])
def test_what_was_stopped_early_goes_on_when_the_study_no_longer_stops_early(lost, tmp_path):
    driver = Driver(search_study(3, early_stopping=Median()), tmp_path)
    stopped, *_ = driver.run(status_of=lambda trial: "completed" if trial.index else "pruned")
    driver.study = search_study(3)
    if lost:
        (tmp_path / "example" / NAME).unlink()
    assert ids(driver.run()) == ids([stopped])
    assert {row["status"] for row in driver.store.trials()} == {"completed"}
    assert load(driver).best_trial.value == max(mota(trial) for trial in driver.suggested)


def test_a_stopped_trial_keeps_its_figures_when_the_storage_is_filled_again(tmp_path):
    driver = Driver(search_study(3, early_stopping=ASHA()), tmp_path)
    (trial,) = driver.run(most=1, status_of=lambda _: "pruned")
    (tmp_path / "example" / NAME).unlink()
    driver.open().close()
    (told,) = load(driver).trials
    assert (told.state, told.value) == (TrialState.PRUNED, mota(trial) / 4)


@pytest.mark.parametrize("sampler", MANY_OBJECTIVES)
def test_several_objectives_each_with_its_direction(sampler, tmp_path):
    study = search_study(4, sampler=sampler, objectives=("val_mota", "device_seconds", "val_idsw"))
    driver = Driver(study, tmp_path)
    suggestions = driver.open()
    for i in range(4):
        trial = suggestions.next()
        figures = driver.write(trial, device_seconds=100.0 + i) | {"val_idsw": 7 if i else None}
        suggestions.progress(trial, 1, {"val_mota": 0.1})
        suggestions.tell(trial, "completed", figures)
    assert suggestions.next() is None
    suggestions.close()
    told = load(driver)
    assert [direction.name for direction in told.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert [trial.state.name for trial in told.trials] == ["FAIL", *["COMPLETE"] * 3]
    assert [trial.values[1:] for trial in told.trials[1:]] == [[100.0 + i, 7.0] for i in (1, 2, 3)]
    assert told.best_trials


CONDITIONAL = {
    "weighting": Choice(
        values=(
            Option(value=hwf.Config(), space=SPACE),
            Option(value=lwf.Config(), space={"weighting.lr": LogUniform(low=1e-4, high=1e-1)}),
            famo.Config(),
        )
    ),
    "train.epochs": Integer(low=4, high=8),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_dimensions_that_depend_on_a_choice(sampler, tmp_path):
    start = (
        {"weighting": hwf.Config(loss_weights={"cls": 1.5, "reg": 0.5})},
        {"weighting": lwf.Config(lr=0.01), "train.epochs": 6},
        {"weighting": famo.Config()},
    )
    study = search_study(6, space=CONDITIONAL, sampler=sampler, start=start)
    driver = Driver(study, tmp_path)
    driver.run(most=2)
    life = driver.steps()
    assert list(itertools.islice(life, 3))[-1] == "progressed"
    driver.run()
    assert len({row["trial_id"] for row in driver.store.trials()}) == 6
    kinds = [trial.configuration.weighting.kind() for trial in driver.suggested]
    assert kinds[:4] == ["hwf", "lwf", "famo", "famo"]
    assert driver.suggested[1].configuration.weighting.lr == 0.01
    (tmp_path / "example" / NAME).unlink()
    assert driver.run() == []


def test_rows_of_other_data_other_seeds_other_searches_and_imported_ones_never_count(tmp_path):
    source = Driver(search_study(4), tmp_path / "source")
    one, two, three, four = source.run()
    driver = Driver(search_study(4), tmp_path / "other")
    for trial, values in (
        (one, {"data_hash": "f" * 16}),
        (two, {"seed": 1}),
        (three, {"imported_from": "past.csv"}),
        (four, {"status": "completed"}),
    ):
        driver.store.write_trial(make_row(trial, 0.9) | values)
    outside = Driver(search_study(1, space={"weighting.loss_weights": Weights(low=20, high=30)}), tmp_path / "outside")
    (far,) = outside.run()
    driver.store.write_trial(make_row(far, 0.9))
    assert len(driver.run()) == 3
    assert driver.notes == [f"{tmp_path}/other/example/{NAME} is new: 1 earlier trials fit the search and count"]


def test_a_starting_point_outside_of_the_space_is_refused(tmp_path):
    study = search_study(2, start=({"weighting.loss_weights": {"cls": 20.0}},))
    with pytest.raises(UserError, match=r"search\.start\[0\] is outside of search\.space: .*reg/cls: 0\.05 is outside"):
        Driver(study, tmp_path).open()


def test_results_elsewhere_keep_a_copy_of_the_storage_which_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serve("bucket") as address:
        driver = Driver(search_study(3), address)
        driver.run(most=2)
        shutil.rmtree(tmp_path / "results")
        assert len(driver.run()) == 1
        assert driver.notes == []
        store = ResultStore(address, "example")
        assert store.folder.read(NAME) == (tmp_path / "results/s3/bucket/example" / NAME).read_bytes()
        assert {row["data_hash"] for row in store.trials()} == {DATA_HASH}
