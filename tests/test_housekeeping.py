import os
import random
import time
from pathlib import Path

import pytest
from example_rows import make_entry, make_row, make_trial
from s3_server import serve

from study.errors import UserError
from study.housekeeping import HouseKeeper, KeptModels, remove, survey
from study.results import LAST, MODEL, PREVIOUS, ResultStore
from study.run import main


def row(number, mota, idf1=0.5, seconds=100.0, weighting="hwf", **values):
    trial = make_trial({"train.lr": 1e-4 * (number + 1)})
    figures = {"val_mota": mota, "val_idf1": idf1, "weighting": weighting, "trial_id": name(number)}
    return make_row(trial, mota, device_seconds=seconds) | figures | values


def name(number):
    return f"{number:016x}"


def kept(rows):
    return {int(trial_id, 16) for trial_id in KeptModels(rows).reasons}


def test_the_best_of_every_weighting_is_kept():
    rows = [row(0, 0.5), row(1, 0.6), row(2, 0.4, weighting="lwf"), row(3, 0.3, weighting="lwf")]
    reasons = KeptModels(rows).reasons
    assert set(reasons) == {name(1), name(2)}
    assert reasons[name(2)] == "best val MOTA of lwf"
    assert reasons[name(1)].startswith("best val MOTA of hwf, Pareto front of val MOTA and device-seconds, Pareto")


def test_pareto_fronts_are_kept():
    cheaper, dearer = row(1, 0.5, seconds=50.0), row(2, 0.5, seconds=60.0)
    assert kept([row(0, 0.6), cheaper, dearer]) == {0, 1}
    truer, less = row(1, 0.5, idf1=0.6), row(2, 0.4, idf1=0.6)
    assert kept([row(0, 0.6), truer, less]) == {0, 1}
    assert KeptModels([row(0, 0.6), truer]).reasons[name(1)] == "Pareto front of val MOTA and val IDF1"


def test_of_equal_trials_one_is_kept_whatever_their_order():
    equals = [row(number, 0.0, idf1=0.0, seconds=10.0) for number in range(9)]
    assert kept(equals) == kept(equals[::-1]) == {0}


def test_only_completed_trials_of_this_platform_have_models():
    rows = [row(0, 0.9, status="pruned"), row(1, 0.9, imported_from="runs.csv"), row(2, 0.1)]
    assert kept(rows) == {2}


def test_told_one_by_one_the_same_are_kept_and_nothing_else_is_remembered():
    draw = random.Random(0)
    rows = [
        row(i, draw.choice(range(20)) / 20, draw.choice(range(20)) / 20, draw.choice(range(50)), draw.choice("abc"))
        for i in range(300)
    ]
    models, dropped, most = KeptModels(), [], 0
    for i, ended in enumerate(rows, 1):
        dropped += models.add(ended)
        assert len(dropped) + len(models.reasons) == i
        most = max(most, len(models.reasons))
    assert dict(models.reasons) == dict(KeptModels(rows).reasons)
    assert sorted([*dropped, *models.reasons]) == [name(i) for i in range(300)]
    assert most < 20


def place(store, trial_id, *names, size=100):
    for checkpoint in names:
        store.write_checkpoint(trial_id, checkpoint, bytes(size))


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "results", "example")


def left(store):
    return [file.path.removeprefix("checkpoints/") for file in store.folder.files() if file.path.endswith(".pt")]


def test_models_go_as_trials_end(store):
    store.write_trial(row(0, 0.5))
    place(store, name(0), MODEL)
    keeper = HouseKeeper(store, "best")
    for number, mota in ((1, 0.4), (2, 0.6)):
        place(store, name(number), MODEL)
        keeper.trial_ended(row(number, mota))
        keeper.trial_ended(row(9, None, status="failed"))
    assert left(store) == [f"{name(2)}/model.pt"]
    assert os.listdir(store.folder.path + "/checkpoints") == [name(2)]


def test_on_demand_all_models_stay(store):
    keeper = HouseKeeper(store, "all")
    for number in range(3):
        place(store, name(number), MODEL)
        keeper.trial_ended(row(number, 0.5))
    assert len(left(store)) == 3


def fill(store):
    """Trials in every state; gives what need not be kept."""
    for number, mota in ((0, 0.6), (1, 0.5)):
        store.write_trial(row(number, mota))
        store.write_ledger(make_entry(None, entry_id=f"{name(number)}-1", trial_id=name(number), kind="attempt"))
        place(store, name(number), MODEL, LAST)
    for number, status in enumerate(("interrupted", "failed", "oom", "timeout", "pruned", "diverged"), 2):
        store.write_trial(row(number, None, status=status))
        place(store, name(number), LAST, PREVIOUS)
    store.write_ledger(make_entry(None, entry_id=f"{name(8)}-1", trial_id=name(8), status="lost"))
    place(store, name(8), LAST, MODEL)  # of no row yet
    store.write_trial(row(9, 0.1))
    store.write_ledger(make_entry(None, entry_id=f"{name(9)}-2", trial_id=name(9), status="running"))
    place(store, name(9), LAST, MODEL)
    place(store, name(10), LAST, MODEL, PREVIOUS)  # of no trial
    place(store, name(0), "notes")
    return [
        *(f"{name(0)}/last.pt", f"{name(1)}/last.pt", f"{name(1)}/model.pt"),
        *(f"{name(7)}/last.pt", f"{name(7)}/previous.pt"),
        *(f"{name(10)}/last.pt", f"{name(10)}/model.pt", f"{name(10)}/previous.pt"),
    ]


def test_what_an_unfinished_trial_needs_is_kept_and_other_leftovers_are_found(store):
    expected = fill(store)
    superfluous, kept = survey(store)
    assert [finding.path.removeprefix("checkpoints/") for finding in superfluous] == expected
    assert {finding.size for finding in superfluous} == {100}
    reasons = {finding.path.removeprefix("checkpoints/"): finding.reason for finding in (*superfluous, *kept)}
    assert reasons[f"{name(2)}/last.pt"] == "its trial is not finished (interrupted)"
    assert reasons[f"{name(8)}/model.pt"] == "its trial is not finished (no row yet)"
    assert reasons[f"{name(9)}/model.pt"] == "its trial is running"
    assert reasons[f"{name(10)}/last.pt"] == "no trial has this name"
    assert reasons[f"{name(1)}/model.pt"] == "neither best nor on a Pareto front"
    assert reasons[f"{name(6)}/previous.pt"] == "its trial is paused, or others start from it"
    assert reasons[f"{name(7)}/last.pt"] == "its trial is finished (diverged)"
    assert len(reasons) == len(left(store)) - 1  # what is no checkpoint of ours is nobody's business


def test_models_that_trials_of_another_study_start_from_are_kept(store):
    fill(store)
    base = store.trial(name(1))
    start = f"{store.study}/{base['configuration_id']}/{base['data_hash']}"
    other = ResultStore(store.root_address, "other")
    trial = make_trial({"train.start_from": start})
    other.write_trial(make_row(trial, 0.5))
    superfluous, kept = survey(store)
    reasons = {finding.path.removeprefix("checkpoints/"): finding.reason for finding in kept}
    assert reasons[f"{name(1)}/model.pt"] == "trials of other start from it"
    assert f"checkpoints/{name(1)}/model.pt" not in {finding.path for finding in superfluous}
    other.discard(trial.trial_id)
    assert f"checkpoints/{name(1)}/model.pt" in {finding.path for finding in survey(store)[0]}


def test_files_of_killed_writers_are_found_once_they_are_old(store):
    store.write_rows("steps", "t", [{"epoch": 1, "step": 1, "task": "cls"}])
    young, old = (Path(store.folder.path, "steps", f".t.parquet.{hour}.tmp") for hour in "ab")
    for file in (young, old):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    superfluous, _ = survey(store)
    assert [(finding.path, finding.size, finding.reason) for finding in superfluous] == [
        ("steps/.t.parquet.b.tmp", 4, "left by a killed writer")
    ]
    remove(store, superfluous[0])
    assert young.exists()
    assert not old.exists()
    assert len(store.read_rows("steps", "t")) == 1


def gc(store, *arguments):
    return main(["gc", store.study, "--results", str(Path(store.folder.path).parent), *arguments])


def test_gc_says_what_it_would_delete_and_then_deletes_just_that(store, capsys):
    expected = fill(store)
    before = left(store)
    rows = {file.path: file for file in store.folder.files() if file.path.endswith(".parquet")}
    assert gc(store, "--dry-run") == 0
    told = capsys.readouterr().out.splitlines()
    lines = [line for line in told if line.startswith("would delete")]
    assert lines[2] == f"would delete  checkpoints/{name(1)}/model.pt  100 bytes  neither best nor on a Pareto front"
    assert told[0].startswith(f"keep          checkpoints/{name(0)}/model.pt  100 bytes  best val MOTA of hwf, Pareto")
    assert told[-1] == "example: 8 files of 800 bytes would be deleted, 15 files of 1,500 bytes kept"
    assert left(store) == before

    assert gc(store) == 0
    assert capsys.readouterr().out.splitlines() == [
        *(line.replace("would delete", "deleted     ") for line in told[:-1]),
        "example: 8 files of 800 bytes deleted, 15 files of 1,500 bytes kept",
    ]
    assert left(store) == [path for path in before if path not in expected]
    assert {file.path: file for file in store.folder.files() if file.path.endswith(".parquet")} == rows
    assert gc(store) == 0
    assert "0 files of 0 bytes deleted, 15 files of 1,500 bytes kept" in capsys.readouterr().out


def test_a_study_without_results_is_told_with_the_nearest_that_has_some(store, capsys, tmp_path):
    fill(store)
    assert main(["gc", "exmaple", "--results", str(tmp_path / "results")]) == 2
    place = tmp_path / "results"
    told = f"error: no results of a study 'exmaple' in {place}; did you mean 'example'?\n"
    assert capsys.readouterr().err == told
    assert main(["gc", "example", "--results", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.endswith("nowhere; known: none\n")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_cannot_be_removed_is_told(store):
    in_the_way = Path(store.folder.path, "checkpoints", name(1), "model.pt")
    in_the_way.mkdir(parents=True)
    keeper = HouseKeeper(store, "best")
    keeper.trial_ended(row(0, 0.5))
    with pytest.raises(UserError, match=rf"cannot remove {in_the_way}: Is a directory"):
        keeper.trial_ended(row(1, 0.4))


def test_gc_works_on_an_object_store(capsys):
    with serve("bucket") as uri:
        root = uri.replace("?", "/results?")
        store = ResultStore(root, "example")
        expected = fill(store)
        assert main(["gc", "example", "--results", root]) == 0
        assert "example: 8 files of 800 bytes deleted, 15 files of 1,500 bytes kept" in capsys.readouterr().out
        assert not set(expected) & set(left(store))
        assert len(left(store)) == 16
        assert main(["gc", "other", "--results", root]) == 2
        assert "secret" not in capsys.readouterr().err
