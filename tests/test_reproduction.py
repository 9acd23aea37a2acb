import sys
from dataclasses import replace

import pytest
from example_rows import make_row, make_study, make_trial
from s3_server import serve

import search_spaces
from study.device import cpu_name
from study.errors import UserError
from study.plan import make_plan
from study.reproduction import find_trial, first_epoch, last_epoch, plan_again, ran_on_gpu, tables
from study.results import ResultStore

NAMES = ("aaaa0000", "aaaa1111", "bbbb0000")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def fill(root):
    for study, names in (("one", NAMES), ("two", NAMES[2:])):
        store = ResultStore(root, study)
        for name in names:
            store.write_trial(make_row(replace(make_trial(), trial_id=name), 0.5))


def test_a_trial_is_found_by_the_beginning_of_its_name_in_any_study(tmp_path):
    fill(tmp_path)
    store, row = find_trial(str(tmp_path), "aaaa1")
    assert (store.study, row["study"], row["trial_id"]) == ("one", "one", "aaaa1111")
    store, row = find_trial(str(tmp_path), "bbbb", "two")
    assert (store.study, row["trial_id"]) == ("two", "bbbb0000")


def test_trials_are_found_in_an_object_store():
    with serve("bucket") as uri:
        root = uri.replace("?", "/results?")
        fill(root)
        assert find_trial(root, "aaaa0")[1]["trial_id"] == "aaaa0000"
        with pytest.raises(UserError, match=r"no trial 'cccc' in s3://bucket/results; known: aaaa, bbbb$"):
            find_trial(root, "cccc")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["aaa"], "trial 'aaa': expected at least the first 4 digits of its name"),
        (["aaaa"], r"'aaaa' begins the names of 2 trials: aaaa0000 \(one\), aaaa1111 \(one\); give more digits"),
        (["bbbb"], "trial bbbb0000 is in several studies: one, two; choose one with --study"),
        (["bbba"], "no trial 'bbba' in .*; did you mean 'bbbb'"),
        (["bbbb", "three"], "no results of a study 'three' in .*; known: one, two"),
        (["aaaa0", "two"], "no trial 'aaaa0' in .*; known: bbbb0"),
    ],
)
def test_who_is_not_meant_clearly_is_told_who_there_are(asked, message, tmp_path):
    fill(tmp_path)
    with pytest.raises(UserError, match=message):
        find_trial(str(tmp_path), *asked)


def test_of_many_trials_some_are_named(tmp_path):
    store = ResultStore(tmp_path, "one")
    for number in range(40):
        store.write_trial(make_row(replace(make_trial(), trial_id=f"{number:02}aa{'0' * 12}"), 0.5))
        store.write_trial(make_row(replace(make_trial(), trial_id=f"ffff{number:012}"), 0.5))
    with pytest.raises(
        UserError, match=r"'ffff' begins the names of 40 trials: .*ffff0{11}7 \(one\) and 32 more; give"
    ):
        find_trial(str(tmp_path), "ffff")
    with pytest.raises(UserError, match=r"no trial 'xyzt' in .*; known: 00aa, .*, 29aa and 11 more$"):
        find_trial(str(tmp_path), "xyzt")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"imported_from": "runs.csv"}, "was imported from runs.csv, it never ran here; expected a trial of this"),
        ({"status": "interrupted", "epochs": 0}, r"ended \(interrupted\) within its first epoch; there is nothing to"),
    ],
)
def test_a_trial_that_left_nothing_to_compare_is_refused(values, message, tmp_path):
    ResultStore(tmp_path, "one").write_trial(make_row(make_trial(), 0.5) | values)
    with pytest.raises(UserError, match=f"trial {make_trial().trial_id} {message}"):
        find_trial(str(tmp_path), make_trial().trial_id)


@pytest.fixture
def planned(tmp_path, cache_dir):
    """A trial's row in results, and what `plan_again` makes of it with changes."""
    store, scratch = ResultStore(tmp_path / "results", "example"), ResultStore(tmp_path / "scratch", "example")
    plan = make_plan(make_study(seeds=(3,)), store, cache_dir=cache_dir)
    row = make_row(plan.trials[0], 0.5, data_hash=plan.splits.data_hash, workers=1, devices_per_worker=1.0)
    store.write_trial(row)
    store.write_manifest(row["data_hash"], {}, "synthetic:tiny")

    def again(data=None, **values):
        return plan_again({**row, "study": "example", **values}, store, scratch, cache_dir, data)

    return row, store, again


def test_a_trial_is_planned_as_it_was(planned):
    row, _, again = planned
    plan = again()
    assert [trial.trial_id for trial in plan.missing] == [row["trial_id"]]
    assert plan.trials[0].seed == 3
    assert plan.study.data.root == "synthetic:tiny"


STUDY = """
from example_rows import make_study
STUDY = make_study(name="mine")
"""


def test_data_are_found_through_the_study_file_or_where_one_says_that_they_are(planned, tmp_path, monkeypatch):
    row, store, again = planned
    (store.folder / "data").write(f"{row['data_hash']}.json", b'{"root": "synth')
    with pytest.raises(UserError, match=f"needs data of hash {row['data_hash']}: where they were is not stored; say"):
        again(study="mine")
    assert again("synthetic:tiny").splits.data_hash == row["data_hash"]
    (tmp_path / "mine.py").write_text(STUDY)
    monkeypatch.setattr(search_spaces, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert again(study="mine").splits.data_hash == row["data_hash"]


def test_data_that_changed_or_are_gone_are_told_with_both_hashes(planned, tmp_path):
    row, _, again = planned
    expected = f"needs data of hash 0{{16}}: synthetic:tiny holds data of hash {row['data_hash']}; say where they are"
    with pytest.raises(UserError, match=expected):
        again("synthetic:tiny", data_hash="0" * 16)
    with pytest.raises(UserError, match=rf"data\.root: {tmp_path}/gone: no such folder; .*; say where they are"):
        again(str(tmp_path / "gone"))


def test_settings_that_do_not_exist_any_more_are_told(planned):
    row, _, again = planned
    older = row["configuration"].replace('"warmup_steps"', '"warmup"')
    with pytest.raises(
        UserError, match=f"trial {row['trial_id']}: its configuration: train: unknown key 'warmup'; did"
    ):
        again(configuration=older)


@pytest.mark.parametrize(
    ("values", "execution"),
    [
        ({"devices_per_worker": 1.0, "device_name": cpu_name()}, (1, 1, 0)),
        ({"devices_per_worker": 1.0, "device_name": "NVIDIA H100"}, (1, 1, None)),
        ({"devices_per_worker": 1.0, "device_name": None}, (1, 1, None)),
        ({"devices_per_worker": 4.0, "workers": 2}, (2, 4, 0)),
        ({"devices_per_worker": 0.25, "device_name": "NVIDIA H100"}, (1, 1, 0.25)),
    ],
)
def test_a_trial_gets_the_workers_and_threads_that_it_had(planned, values, execution):
    row, _, again = planned
    plan = again(**values)
    given = plan.study.execution
    assert (given.workers, given.cpus_per_worker, given.gpus_per_worker) == execution
    assert given.max_retries > 0
    assert ran_on_gpu(plan, row | {"device_name": "NVIDIA H100"}) == (execution[2] != 0)
    assert not ran_on_gpu(plan, row | {"device_name": cpu_name()})
    assert again(status="failed").study.execution.max_retries == 0


def test_a_trial_runs_to_where_it_ended(planned):
    row, *_ = planned
    ends = {"completed": None, "diverged": None, "pruned": 2, "interrupted": 2, "timeout": 2, "failed": 3, "oom": 3}
    assert {status: last_epoch({**row, "status": status, "epochs": 2}) for status in ends} == ends


@pytest.mark.parametrize(("begins", "first"), [(5, 5), (1, 1)])
def test_of_a_member_of_a_population_its_own_epochs_are_compared(planned, begins, first):
    """Members begin where their parents stopped; the best one, under another seed, at the beginning."""
    row, store, _ = planned
    member = row | {"suggested": '{"generation": 3}', "configuration": '{"weighting": {"epochs_per_stage": 2}}'}
    lines = [{"epoch": epoch, "split": "train", "task": "cls"} for epoch in range(begins, 7)]
    store.write_rows("epochs", row["trial_id"], lines)
    assert first_epoch(store, member) == first
    found = tables(store, member, of=member | {"status": "completed", "epochs": 6}, first=first)
    assert [line["epoch"] for line in found["epochs"]] == list(range(first, 7))


def test_of_a_trial_that_broke_off_the_rows_of_finished_epochs_are_compared(planned):
    row, store, _ = planned
    for number in (1, 2, 3):
        steps = store.read_rows("steps", row["trial_id"])
        store.write_rows("steps", row["trial_id"], [*steps, {"epoch": number, "step": number, "task": "cls"}])
    names = ["steps", "epochs", "sequences"]
    for status, expected in (("timeout", names), ("pruned", [*names, "trials"])):
        found = tables(store, row, of=row | {"status": status, "epochs": 2})
        assert list(found) == expected
        assert [line["epoch"] for line in found["steps"]] == [1, 2]
