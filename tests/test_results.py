import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from example_rows import VARYING, make_entry, make_row, make_trial
from s3_server import serve

from study.errors import UserError
from study.results import ResultStore, comparable, cost, load
from study.schema import SCHEMAS, TABLES

TESTS = Path(__file__).parent


def step(number: int, task: str = "cls", **values) -> dict:
    return {"epoch": 1, "step": number, "task": task, "loss": 1.0 / number, "loss_weight": 0.5, **values}


def test_every_column_says_its_unit_meaning_and_volatility():
    for table in TABLES:
        for field in SCHEMAS[table]:
            assert set(field.metadata) == {b"unit", b"meaning", b"volatile"}, field
            assert field.metadata[b"meaning"]
            if field.name.endswith("_seconds"):
                assert field.metadata[b"unit"].endswith(b"seconds")
                assert field.metadata[b"volatile"] == b"true"


def test_a_trial_comes_back_as_it_was_written_with_flat_columns_for_what_varies(tmp_path):
    store = ResultStore(tmp_path, "example")
    point = {"weighting.loss_weights": {"cls": 0.5, "reg": 2}}
    row = make_row(make_trial(point, seed=3), 0.625, error="an error")
    store.write_trial(row)
    (read,) = store.trials()
    assert {name: read[name] for name in row if not name.endswith("_at")} == {
        name: value for name, value in row.items() if not name.endswith("_at")
    }
    assert read["study"] == "example"
    assert (read["weighting"], read["tracker"], read["objective"]) == ("hwf", "chained", "cls_reg_reid")
    assert read["weighting.loss_weights.cls"] == 0.5
    assert json.loads(read["configuration"])["weighting"]["loss_weights"] == {"cls": 0.5, "reg": 2.0}
    assert read["val_mota"] == 0.625
    assert read["test_mota"] is None
    assert abs(read["ended_at"] - row["ended_at"]).total_seconds() < 0.001


def test_written_files_carry_the_declared_schema(tmp_path):
    store = ResultStore(tmp_path, "example")
    store.write_rows("steps", "t", [step(1)])
    schema = pq.read_schema(tmp_path / "example" / "steps" / "t.parquet")
    assert schema.metadata[b"schema_version"] == b"3"
    assert schema.field("loss").metadata[b"meaning"] == SCHEMAS["steps"].field("loss").metadata[b"meaning"]


def test_rows_with_the_same_key_stand_once_and_the_last_one_counts(tmp_path):
    store = ResultStore(tmp_path, "example")
    store.write_rows("steps", "t", [step(1), step(2), step(2, task="reg"), step(2, loss=9.0)])
    rows = store.read_rows("steps", "t")
    assert [(row["step"], row["task"], row["loss"]) for row in rows] == [(1, "cls", 1), (2, "cls", 9), (2, "reg", 0.5)]
    store.write_rows("steps", "t", [*rows, step(3)])
    assert len(load(tmp_path, "steps")) == 4


def test_values_that_are_not_finite_are_kept_and_counts_not_measured_are_null(tmp_path):
    store = ResultStore(tmp_path, "example")
    store.write_rows("steps", "t", [step(1, loss=math.inf), step(2, loss=math.nan)])
    assert store.read_rows("steps", "t")[0]["loss"] == math.inf
    assert math.isnan(store.read_rows("steps", "t")[1]["loss"])
    store.write_rows("epochs", "t", [{"epoch": 1, "split": "val", "task": "", "idsw": math.nan, "fp": 3.0}])
    (row,) = store.read_rows("epochs", "t")
    assert (row["idsw"], row["fp"], row["mota"]) == (None, 3, None)


def test_an_undeclared_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'steps' has no column 'weigth'"):
        ResultStore(tmp_path, "example").write_rows("steps", "t", [step(1, weigth=1)])


def test_costs_are_device_seconds_that_sum_up():
    trial = make_trial()
    kept = make_entry(trial, 2)
    lost = make_entry(trial, 1, status="lost", held_seconds=20.0, train_seconds=8.0, eval_seconds=0.0)
    parts = cost([lost, kept])
    assert parts == {
        "device_seconds": 140.0,
        "train_seconds": 76.0,
        "eval_seconds": 20.0,
        "startup_seconds": 20.0,
        "lost_seconds": 14.0,
        "overhead_seconds": 10.0,
    }
    row = make_row(trial, 0.5, ledger=[lost, kept])
    assert row["attempts"] == 2
    assert row["started_at"] == lost["started_at"]
    assert row["device_seconds"] == sum(row[name] for name in parts if name != "device_seconds")


def test_the_ledger_keeps_one_row_an_entry(tmp_path):
    store = ResultStore(tmp_path, "example")
    trial = make_trial()
    for held_seconds in (1.0, 2.0, 3.0):
        store.write_ledger(make_entry(trial, held_seconds=held_seconds, status="running"))
    store.write_ledger(make_entry(None))
    assert [entry["held_seconds"] for entry in store.ledger(trial.trial_id)] == [3.0]
    assert len(store.ledger()) == 2


def test_load_unites_studies_and_fills_the_settings_that_vary_in_only_one_of_them(tmp_path):
    one, two = ResultStore(tmp_path, "one"), ResultStore(tmp_path, "two")
    one.write_trial(make_row(make_trial({"weighting.loss_weights": {"cls": 2}}), 0.5, varying=VARYING[:1]))
    two.write_trial(make_row(make_trial({"train.lr": 0.01}), 0.25, varying=("train.lr", "data.image_size")))
    both = load(tmp_path).set_index("study")
    assert both["train.lr"].to_dict() == {"one": 0.002, "two": 0.01}
    assert both.loc["one", "weighting.loss_weights.cls"] == 2
    assert math.isnan(both.loc["two", "weighting.loss_weights.cls"])
    assert both["data.image_size"].tolist() == ["[192, 112]"] * 2
    assert load(tmp_path / "two")["study"].tolist() == ["two"]


def test_load_of_many_trials_lacks_none_and_no_setting(tmp_path):
    """They are joined some hundreds at a time."""
    store, number = ResultStore(tmp_path, "many"), 600
    for seed in range(number):
        varying = ("train.lr",) if seed == 0 else ()
        store.write_trial(make_row(make_trial(seed=seed), seed / number, varying=varying))
    rows = load(tmp_path).set_index("seed").sort_index()
    assert rows.index.tolist() == list(range(number))
    assert rows["val_mota"].tolist() == [seed / number for seed in range(number)]
    assert (rows["train.lr"] == 0.002).all()


def test_load_of_some_trials_does_not_open_the_files_of_others(tmp_path):
    store = ResultStore(tmp_path, "example")
    names = [f"{number:016x}" for number in range(3)]
    for name in names:
        store.write_rows("steps", name, [step(1), step(2)])
    (tmp_path / "example" / "steps" / f"{names[2]}.parquet").write_text("damaged")
    assert load(tmp_path, "steps", trial_ids={names[0]})["trial_id"].tolist() == [names[0]] * 2
    together = pq.read_table(tmp_path / "example" / "steps" / f"{names[1]}.parquet")
    pq.write_table(together, tmp_path / "example" / "steps" / "rows.parquet")
    assert len(load(tmp_path, "steps", trial_ids=[names[1]])) == 4
    assert load(tmp_path, "steps", trial_ids=[]).empty
    with pytest.raises(UserError, match="not a readable Parquet file"):
        load(tmp_path, "steps", trial_ids=names)


def test_load_names_the_columns_that_a_file_lacks(tmp_path):
    store = ResultStore(tmp_path, "example")
    store.write_rows("steps", "a", [step(1)])
    path = tmp_path / "example" / "steps" / "a.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["loss", "lr"]), path)
    with pytest.raises(UserError, match=rf"{path}: lacks loss, lr of the columns of 'steps'; delete it"):
        load(tmp_path, "steps")


def test_load_gives_arrow_datasets_that_filter(tmp_path):
    store = ResultStore(tmp_path, "example")
    store.write_rows("steps", "a", [step(1), step(2)])
    store.write_rows("steps", "b", [step(1)])
    dataset = load(tmp_path, "steps", arrow=True)
    assert dataset.count_rows(filter=pc.field("step") == 1) == 2
    store.write_trial(make_row(make_trial(), 0.5))
    assert load(tmp_path, arrow=True).schema.field("val_mota").metadata[b"unit"] == b"fraction"


def test_comparable_leaves_what_equal_runs_share(tmp_path):
    store = ResultStore(tmp_path, "example")
    trial = make_trial()
    frames = []
    for entry in (make_entry(trial), make_entry(trial, held_seconds=99.0)):
        store.write_trial(make_row(trial, 0.5, ledger=[entry], peak_memory_bytes=int(entry["held_seconds"])))
        frames.append(load(tmp_path))
    assert not frames[0].equals(frames[1])
    assert comparable(frames[0]).equals(comparable(frames[1]))
    left = set(comparable(frames[0]).columns)
    assert {"val_mota", "seed", "git_sha", "torch_version", "status"} <= left
    assert not left & {"device_seconds", "peak_memory_bytes", "hostname", "started_at", "ended_at", "device_name"}


def test_no_results_is_said_and_an_empty_table_is_not_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no trials here; expected \[<study>/\]trials/\*\.parquet"):
        load(tmp_path)
    ResultStore(tmp_path, "example")
    assert list(load(tmp_path).columns) == SCHEMAS["trials"].names
    assert load(tmp_path / "example", "steps").empty


def test_another_schema_version_is_refused_with_what_to_do(tmp_path):
    store = ResultStore(tmp_path, "example")
    store.write_trial(make_row(make_trial(), 0.5))
    (path,) = (tmp_path / "example" / "trials").iterdir()
    table = pq.read_table(path)
    to_do = {"99": ".*--results", "2": f"'python -m study.run migrate {tmp_path}/example' brings it to that"}
    for found, what in to_do.items():
        pq.write_table(table.replace_schema_metadata({"schema_version": found}), path)
        for read in (store.trials, lambda: load(tmp_path)):
            with pytest.raises(UserError, match=rf"{path}: schema version {found}, expected 3; {what}"):
                read()
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(UserError, match=rf"{path}: not a readable Parquet file"):
        store.trials()
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(UserError, match="schema version none"):
        store.trials()


def test_checkpoints_are_replaced_read_and_deleted(tmp_path):
    store = ResultStore(tmp_path, "example")
    assert store.read_checkpoint("t", "last") is None
    store.write_checkpoint("t", "last", b"one")
    store.write_checkpoint("t", "last", b"two")
    assert store.read_checkpoint("t", "last") == b"two"
    leftover = tmp_path / "example" / "checkpoints" / "t" / ".last.pt.0.tmp"
    leftover.write_bytes(b"half")
    store.delete_checkpoint("t", "last")
    store.delete_checkpoint("t", "last")
    assert not leftover.parent.exists()


def test_discarding_a_trial_leaves_its_cost_with_the_study(tmp_path):
    store = ResultStore(tmp_path, "example")
    trials = [make_trial(seed=seed) for seed in (0, 1)]
    for trial in trials:
        store.write_trial(make_row(trial, 0.5))
        store.write_rows("steps", trial.trial_id, [step(1)])
        store.write_checkpoint(trial.trial_id, "last", b"state")
        store.write_ledger(make_entry(trial))
    before = cost(store.ledger())
    gone, kept = (trial.trial_id for trial in trials)
    store.discard(gone)
    assert [row["trial_id"] for row in store.trials()] == [kept]
    assert store.read_rows("steps", gone) == []
    assert store.read_checkpoint(gone, "last") is None
    assert store.ledger(gone) == []
    assert cost(store.ledger()) == before
    again = make_entry(trials[0], 1 + store.last_attempts()[gone])
    store.write_ledger(again)
    assert store.ledger(gone) == [{**again, "study": "example", "hostname": None}]
    assert cost(store.ledger())["device_seconds"] == before["device_seconds"] + cost([again])["device_seconds"]
    assert store.read_checkpoint(kept, "last") == b"state"


def test_attempts_are_found_by_their_numbers_and_no_others_are_read(tmp_path):
    store = ResultStore(tmp_path, "example")
    trial, other = make_trial(), make_trial(seed=1)
    # The second was killed before it wrote anything.
    for attempt in (1, 3):
        store.write_ledger(make_entry(trial, attempt))
    store.write_ledger(make_entry(other, 9))
    assert [entry["attempt"] for entry in store.attempts(trial.trial_id, 3)] == [1, 3]
    assert [entry["attempt"] for entry in store.attempts(trial.trial_id, 2)] == [1]
    assert store.last_attempts() == {trial.trial_id: 3, other.trial_id: 9}
    (tmp_path / "example" / "ledger" / f"{other.trial_id}-9.parquet").write_bytes(b"damaged")
    assert store.attempts(trial.trial_id, 3) == store.entries([f"{trial.trial_id}-{number}" for number in (1, 2, 3)])
    store.discard(trial.trial_id)
    assert store.attempts(trial.trial_id, 3) == []
    assert store.last_attempts()[trial.trial_id] == 3


def test_a_store_works_from_another_process_and_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = pickle.loads(pickle.dumps(ResultStore("results", "example")))
    monkeypatch.chdir("/")
    store.write_rows("steps", "t", [step(1)])
    assert (tmp_path / "results" / "example" / "steps" / "t.parquet").is_file()
    assert store.log_path("t") == tmp_path / "results" / "example" / "logs" / "t.log"
    assert store.log_path("t").parent.is_dir()


def test_an_unwritable_place_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=rf"cannot write {tmp_path}/file/example: .*--results"):
        ResultStore(tmp_path / "file", "example")
    with pytest.raises(UserError, match=r"nowhere://x: not a folder that can be opened"):
        ResultStore("nowhere://x", "example")


def test_a_store_that_is_only_read_makes_no_folder(tmp_path):
    store = ResultStore(tmp_path / "results", "example", create=False)
    assert store.trials() == []
    assert not (tmp_path / "results").exists()


WRITER = """
import sys
from study.results import ResultStore
store = ResultStore(sys.argv[1], "example")
rows = []
for epoch in range(1, 100000):
    rows += [{"epoch": epoch, "step": 3 * epoch + i, "task": "cls", "loss": 1.0} for i in range(3)]
    store.write_rows("steps", "t", rows)
    store.write_checkpoint("t", "last", bytes([epoch % 256]) * 300_000)
    print(epoch, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_rows_once(tmp_path):
    for moment in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        time.sleep(0.003 * moment)
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().split()
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        steps = load(tmp_path, "steps")
        assert len(steps) % 3 == 0
        assert len(steps) >= 3 * int(told[-1] if told else 3)
        assert steps["step"].is_unique
        checkpoint = ResultStore(tmp_path, "example").read_checkpoint("t", "last")
        assert checkpoint is not None
        assert len(checkpoint) == 300_000
        assert len(set(checkpoint)) == 1


FULL_DISK = """
import resource, sys
from study.errors import UserError
from study.results import ResultStore
store = ResultStore(sys.argv[1], "example")
store.write_rows("steps", "t", [{"epoch": 1, "step": 1, "task": "cls"}])
store.write_checkpoint("t", "last", b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.write_checkpoint("t", "last", bytes(200_000))
except UserError as error:
    print(error)
"""


def test_a_full_disk_loses_nothing_that_was_written(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True)
    path = tmp_path / "example" / "checkpoints" / "t" / "last.pt"
    assert done.stdout.startswith(f"cannot write {path}: the file is too large; what was written before is kept")
    assert path.read_bytes() == b"old"
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.pt", "previous.pt"]
    assert len(load(tmp_path, "steps")) == 1


def test_an_object_store_holds_results_like_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serve("bucket") as uri:
        root = uri.replace("?", "/some/results?")
        store = ResultStore(root, "example")
        trial = make_trial()
        store.write_trial(make_row(trial, 0.5))
        store.write_rows("steps", trial.trial_id, [step(1)])
        store.write_rows("steps", trial.trial_id, [step(1), step(2)])
        store.write_checkpoint(trial.trial_id, "last", bytes(6_000_000))
        store.write_ledger(make_entry(trial))
        store.write_difference("d" * 16, b"a difference")
        assert (store.folder / "diffs").read(f"{'d' * 16}.diff") == b"a difference"
        assert load(root)["val_mota"].tolist() == [0.5]
        assert load(store.folder.address, "steps")["step"].tolist() == [1, 2]
        assert load(root, "steps", arrow=True).count_rows() == 2
        assert pickle.loads(pickle.dumps(store)).read_checkpoint(trial.trial_id, "last") == bytes(6_000_000)
        assert str(store.folder) == "s3://bucket/some/results/example"
        here = tmp_path / "results" / "s3" / "bucket" / "some" / "results" / "example"
        assert store.log_path("t") == here / "logs" / "t.log"
        store.discard(trial.trial_id)
        assert store.trials() == []
        assert store.read_checkpoint(trial.trial_id, "last") is None
        with pytest.raises(UserError, match=r"s3://other: no such bucket 'other'; make it"):
            ResultStore(uri.replace("bucket", "other"), "example")


def test_a_log_in_an_object_store_is_that_of_all_machines(tmp_path, monkeypatch):
    with serve("bucket") as uri:
        for machine, line in (("one", "attempt 1\n"), ("two", "attempt 2\n")):
            (tmp_path / machine).mkdir()
            monkeypatch.chdir(tmp_path / machine)
            store = ResultStore(uri, "example")
            store.fetch_log("t")
            with store.log_path("t").open("a") as log:
                log.write(line)
            assert store.find_log("t") == (None if machine == "one" else "s3://bucket/example/logs/t.log")
            store.keep_log("t")
        assert (store.folder / "logs").read("t.log") == b"attempt 1\nattempt 2\n"


def test_provenance_names_packages_and_host():
    row = make_row(make_trial(), 0.5)
    assert row["torch_version"] == version("torch")
    assert row["python_version"] == ".".join(map(str, sys.version_info[:3]))
    assert row["hostname"] == os.uname().nodename


PROVENANCE = """
import json
from study.provenance import _hash_sources, provenance
print(json.dumps([provenance()["git_sha"], provenance()["git_dirty"], _hash_sources(())]))
"""


def test_provenance_follows_commit_and_code(tmp_path):
    package = tmp_path / "study"
    shutil.copytree(TESTS.parent / "study", package, ignore=shutil.ignore_patterns("__pycache__"))

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def look() -> tuple:
        command = [sys.executable, "-B", "-c", PROVENANCE]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return tuple(json.loads(done.stdout))

    git("init")
    *nothing, code = look()
    assert nothing == [None, None]
    git("add", "study")
    git("commit", "-m", "all")
    assert look() == (git("rev-parse", "HEAD"), False, code)
    with (package / "run.py").open("a") as file:
        file.write("# has no say in what a trial computes\n")
    assert look() == (git("rev-parse", "HEAD"), True, code)
    with (package / "train.py").open("a") as file:
        file.write("# has\n")
    assert look()[2] != code
