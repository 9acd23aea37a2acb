"""Stored trials run again, on a real Ray of this machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import open_study, tiny_study

from study.config import Data, Execution
from study.execute.attempt import run_attempt
from study.execute.cluster import connected
from study.execute.outcome import write_outcome
from study.execute.verdict import Verdict
from study.run import main

HWF = {"kind": "hwf"}


@pytest.fixture(scope="module")
def ray():
    with connected(threads=1):
        yield


@pytest.fixture(autouse=True)
def _data_are_found(cache_dir, monkeypatch):
    monkeypatch.setenv("LOSS_WEIGHTING_CACHE", str(cache_dir))


@pytest.fixture
def repro(ray, tmp_path, capsys, monkeypatch):  # noqa: ARG001
    """Runs the one trial of a results folder again; gives the exit code and what was said, without the progress."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()

    def run(store, *arguments):
        before = content(tmp_path / "results")
        (row,) = store.trials()
        code = main(["repro", row["trial_id"][:6], "--results", str(tmp_path / "results"), *arguments])
        told = capsys.readouterr()
        assert told.err == ""
        assert content(tmp_path / "results") == before
        assert os.listdir(tmp_path / "scratch") == []
        heading, *lines = told.out.splitlines()
        assert heading.startswith(f"trial {row['trial_id']} of tiny: ")
        return code, [line for line in lines if not line.startswith("[1/1]")]

    return run


def content(folder: Path):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stored(tmp_path, cache_dir, study, **options):
    """Runs a trial of which the rows are kept, without Ray."""
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    store.write_manifest(plan.splits.data_hash, {}, study.data.root)
    row = run_attempt(plan.trials[0], plan, store, attempt=1, device=torch.device("cpu"), **options)
    return store, row, plan


def num_rows(store, row):
    return sum(len(store.read_rows(table, row["trial_id"])) for table in ("steps", "epochs", "sequences"))


def test_a_completed_trial_is_bit_equal_also_on_data_that_were_moved(tmp_path, cache_dir, repro, capsys):
    drawn, _ = open_study(tiny_study(), tmp_path / "drawn", cache_dir)
    shutil.copytree(drawn.splits.train[0].sequence.folder.parent, tmp_path / "here")
    one, two, three, *_ = sorted(path.name for path in (tmp_path / "here").iterdir() if path.is_dir())
    data = Data(root=str(tmp_path / "here"), train=(one,), val=(two,), test=(three,), image_size=(96, 64))
    study = tiny_study(weighting=HWF).model_copy(update={"data": data})
    store, row, _ = stored(tmp_path, cache_dir, study)
    (tmp_path / "here").rename(tmp_path / "there")
    arguments = ["repro", row["trial_id"], "--results", str(tmp_path / "results")]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert f"needs data of hash {row['data_hash']}: data.root: {tmp_path}/here: no such folder" in told
    assert told.endswith("; say where they are with --data DIR\n")
    equal = f"bit-equal: 4 tables, {num_rows(store, row) + 1} rows"
    assert repro(store, "--data", str(tmp_path / "there")) == (0, [equal])

    truth = tmp_path / "there" / one / "gt" / "gt.txt"
    truth.write_text(truth.read_text().replace(",1,1,", ",0,1,", 1))
    assert main([*arguments, "--data", str(tmp_path / "there")]) == 2
    hashes = rf"needs data of hash {row['data_hash']}: {tmp_path}/there holds data of hash [0-9a-f]{{16}}; say"
    assert re.search(hashes, capsys.readouterr().err)


def test_altered_rows_are_found_with_how_far_off_they_are(tmp_path, cache_dir, repro, monkeypatch):
    store, row, _ = stored(tmp_path, cache_dir, tiny_study(epochs=2))
    steps = store.read_rows("steps", row["trial_id"])
    loss = steps[7]["loss"]
    steps[7]["loss"] = float(np.nextafter(loss, 1e9))
    steps[-1]["lr"] *= 2
    store.write_rows("steps", row["trial_id"], steps)
    sequences = store.read_rows("sequences", row["trial_id"])
    store.write_rows("sequences", row["trial_id"], sequences[:-1])
    store.write_trial(row | {"code_hash": "0" * 16, "torch_version": "1.0"})
    # As on a cluster, whose workers see the results but no temporary folder of the driver.
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch" / "not there"))
    code, lines = repro(store)
    assert code == 1
    told = "\n".join(lines)
    assert lines[0] == f"not bit-equal: 4 tables, {num_rows(store, row) + 1} rows compared"
    where = f"steps, step={steps[7]['step']} task={steps[7]['task']}, loss"
    assert lines[1] == f"first difference: {where}: {steps[7]['loss']!r} -> {loss!r}"
    assert re.search(rf"^steps +loss +1 of {len(steps)} +[\d.]+e-1[5-7] +[\d.]+e-1[5-7]", told, re.M)
    assert re.search(rf"^steps +lr +1 of {len(steps)} +\S+ +0\.5", told, re.M)
    last = sequences[-1]
    where = f"epoch={last['epoch']} split={last['split']} sequence={last['sequence']}"
    assert f"sequences: 1 rows only now, the first {where}" in lines
    code = f"code_hash {'0' * 16} -> {row['code_hash']}, torch_version 1.0 -> {row['torch_version']}"
    assert lines[-1] == f"made with other code: {code}"


def test_a_pruned_trial_is_run_as_far_as_it_came_and_on_as_many_threads(tmp_path, cache_dir, repro):
    answers = iter([Verdict.GO_ON, Verdict.STOP])
    study = tiny_study(precision="float32", execution=Execution(cpus_per_worker=2))
    torch.set_num_threads(2)
    store, row, _ = stored(tmp_path, cache_dir, study, devices=2.0, verdict=lambda: next(answers))
    assert (row["status"], row["epochs"], row["devices_per_worker"]) == ("pruned", 2, 2.0)
    assert repro(store) == (0, [f"bit-equal: 4 tables, {num_rows(store, row) + 1} rows"])


def test_an_interrupted_trial_is_compared_as_far_as_it_has_rows(tmp_path, cache_dir, repro):
    answers = iter([Verdict.STOP])
    store, row, plan = stored(tmp_path, cache_dir, tiny_study(), verdict=lambda: next(answers))
    write_outcome(
        plan.trials[0], plan, store, "interrupted", attempts=1, devices=1.0, error="the study was interrupted"
    )
    # Killed between two files of the next epoch.
    steps = store.read_rows("steps", row["trial_id"])
    store.write_rows("steps", row["trial_id"], [*steps, {**steps[-1], "epoch": 2, "step": 4}])
    assert repro(store) == (
        0,
        [
            f"bit-equal: 3 tables, {num_rows(store, row) - 1} rows",
            "compared up to epoch 1; the stored run ended there (interrupted: the study was interrupted)",
        ],
    )


def test_a_diverged_trial_diverges_again_at_the_same_step(tmp_path, cache_dir, repro):
    weighting = {"kind": "hwf", "loss_weights": {"cls": 1e38}}
    store, row, _ = stored(tmp_path, cache_dir, tiny_study(weighting=weighting))
    assert row["status"] == "diverged"
    assert repro(store) == (0, ["bit-equal: 4 tables, 1 rows"])


def test_the_rows_of_a_failed_trial_are_compared_and_its_failure_may_come_again(tmp_path, cache_dir, repro):
    weighting = {"kind": "user_parts.faulty", "action": "raise", "at_step": 6}
    plan, store = open_study(tiny_study(weighting=weighting), tmp_path / "results", cache_dir)
    store.write_manifest(plan.splits.data_hash, {}, "synthetic:tiny")
    with pytest.raises(RuntimeError, match="broken"):
        run_attempt(plan.trials[0], plan, store, attempt=1, device=torch.device("cpu"))
    row = write_outcome(plan.trials[0], plan, store, "failed", attempts=1, devices=1.0, error="a worker died")
    assert row["epochs"] == 1
    equal = f"bit-equal: 3 tables, {num_rows(store, row)} rows"
    ends = "the stored run ended failed: a worker died; this one failed: RuntimeError: weighting is broken"
    assert repro(store) == (0, [equal, ends])


def test_ctrl_c_leaves_nothing_behind(tmp_path, cache_dir):
    study = tiny_study(epochs=500, weighting={"kind": "user_parts.faulty", "action": "slow"})
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    store.write_manifest(plan.splits.data_hash, {}, study.data.root)
    write_outcome(plan.trials[0], plan, store, "completed", attempts=1, devices=1.0, epochs=500)
    before = content(tmp_path / "results")
    (tmp_path / "scratch").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "scratch"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "study.run", "repro", plan.trials[0].trial_id, "--results", "results"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "epoch 1/500" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=100)
    assert (process.returncode, told) == (
        130,
        "interrupted: nothing of the second run is left, the stored trial is as it was\n",
    )
    assert content(tmp_path / "results") == before
    assert list((tmp_path / "scratch").iterdir()) == []
