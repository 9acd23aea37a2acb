"""One attempt, without ray: real training of seconds, real files."""

import io
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from tiny import open_study, rows, tiny_study
from tiny_trials import same

from study.checkpoint import load_model
from study.errors import UserError
from study.events import EpochFinished, TrialEnded, TrialStarted
from study.execute.attempt import run_attempt
from study.execute.holding import Holding
from study.execute.verdict import Verdict
from study.repository import Code
from study.results import LAST, MODEL, PREVIOUS, cost
from study.search_config import Population
from study.space import Simplex
from study.weighting import hwf

CPU = torch.device("cpu")


def attempt(trial, plan, store, number=1, **options):
    return run_attempt(trial, plan, store, attempt=number, device=CPU, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache_dir):
    """An undisturbed trial with a weighting that could fail, but does not."""
    plan, store = open_study(
        tiny_study(weighting={"kind": "user_parts.faulty"}), tmp_path_factory.mktemp("r"), cache_dir
    )
    events = []
    row = attempt(plan.trials[0], plan, store, report=events.append)
    return plan, store, events, row


def faulty(tmp_path, cache_dir, action, at_step, once=True, **settings):
    weighting = {"kind": "user_parts.faulty", "action": action, "at_step": at_step}
    if once:
        weighting["once"] = str(tmp_path / "done")
    plan, store = open_study(tiny_study(weighting=weighting, **settings), tmp_path / "results", cache_dir)
    return plan.trials[0], plan, store


def assert_same_rows(mine, theirs):
    for table in ("steps", "epochs", "sequences"):
        without = ["trial_id"]
        assert mine[table].drop(columns=without).equals(theirs[table].drop(columns=without)), table


def test_a_completed_trial_leaves_rows_a_model_and_a_log(whole):
    plan, store, events, row = whole
    trial = plan.trials[0]
    assert [type(event) for event in events] == [TrialStarted, *[EpochFinished] * 3, TrialEnded]
    assert [event.epoch for event in events[1:4]] == [1, 2, 3]
    assert row["status"] == "completed"
    assert row["epochs"] == 3
    assert row["val_mota"] == events[3].metrics["val_mota"]
    assert [stored["trial_id"] for stored in store.trials()] == [trial.trial_id]
    assert len(store.read_rows("steps", trial.trial_id)) == 3 * 4 * 3
    assert {(r["epoch"], r["split"]) for r in store.read_rows("sequences", trial.trial_id)} >= {(1, "val"), (3, "test")}
    assert store.read_checkpoint(trial.trial_id, LAST) is None
    configuration, tracker = load_model(
        store.log_path("x").parent.parent / "checkpoints" / trial.trial_id / f"{MODEL}.pt"
    )
    assert configuration.configuration_id == trial.configuration_id
    assert sum(p.numel() for p in tracker.parameters()) == row["num_parameters"]
    log = store.log_path(trial.trial_id).read_text()
    assert "epoch 3" in log
    assert "completed" in log


def test_a_row_names_the_code_that_was_planned_whatever_the_worker_finds(tmp_path, cache_dir):
    plan, store = open_study(tiny_study(epochs=1), tmp_path, cache_dir)
    row = attempt(plan.trials[0], replace(plan, code=Code("c" * 40, True, "d" * 16, 9)), store)
    assert (row["git_sha"], row["git_dirty"], row["diff_hash"]) == ("c" * 40, True, "d" * 16)


def test_the_parts_of_the_cost_are_what_was_held(whole):
    _, store, _, row = whole
    (entry,) = store.ledger()
    assert entry["status"] == "completed"
    assert entry["devices"] == 1.0
    assert row["device_seconds"] == pytest.approx(entry["held_seconds"])
    assert row["train_seconds"] > 0
    assert row["eval_seconds"] > 0
    assert row["lost_seconds"] == 0


@pytest.mark.parametrize("at_step", [0, 5, 11])
def test_after_a_fault_the_rows_are_those_of_an_undisturbed_run(at_step, whole, tmp_path, cache_dir):
    _, undisturbed, _, _ = whole
    trial, plan, store = faulty(tmp_path, cache_dir, "raise", at_step)
    with pytest.raises(RuntimeError, match="broken"):
        attempt(trial, plan, store)
    (lost,) = store.ledger()
    assert lost["status"] == "lost"
    assert lost["held_seconds"] > lost["train_seconds"] + lost["eval_seconds"]
    assert store.trials() == []

    row = attempt(trial, plan, store, 2)
    assert row["attempts"] == 2
    assert row["lost_seconds"] == pytest.approx(cost([lost])["lost_seconds"])
    assert row["lost_seconds"] > 0
    theirs = undisturbed.trials()[0]["trial_id"]
    assert_same_rows(rows(store, trial.trial_id), rows(undisturbed, theirs))
    assert row["val_mota"] == undisturbed.trials()[0]["val_mota"]


def test_rows_written_after_the_last_checkpoint_are_written_again(whole, tmp_path, cache_dir):
    _, undisturbed, _, _ = whole
    trial, plan, store = faulty(tmp_path, cache_dir, "raise", 9)
    with pytest.raises(RuntimeError):
        attempt(trial, plan, store)
    # A kill between rows and checkpoint: epoch 3 has rows already.
    for table in ("steps", "epochs", "sequences"):
        before = store.read_rows(table, trial.trial_id)
        more = [{**row, "epoch": 3} for row in before if row["epoch"] == 2]
        if table == "steps":
            more = [{**row, "step": row["step"] + 4} for row in more]
        store.write_rows(table, trial.trial_id, [*before, *more])
    attempt(trial, plan, store, 2)
    assert_same_rows(rows(store, trial.trial_id), rows(undisturbed, undisturbed.trials()[0]["trial_id"]))


class Executes:
    """Unpickling an instance makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def half(data, _):
    return data[: len(data) // 2]


def flip_a_bit(data, _):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def code(_, made):
    buffer = io.BytesIO()
    torch.save({"epoch": 2, "state": Executes(str(made))}, buffer)
    return buffer.getvalue()


def numbers(*_):
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("damage", "damaged", "epochs"),
    [
        (half, (LAST,), [2, 3]),
        (flip_a_bit, (LAST,), [2, 3]),
        (code, (LAST,), [2, 3]),
        (numbers, (LAST,), [2, 3]),
        (flip_a_bit, (LAST, PREVIOUS), [1, 2, 3]),
    ],
)
def test_instead_of_a_damaged_or_foreign_checkpoint_the_one_before_serves(
    damage, damaged, epochs, whole, tmp_path, cache_dir
):
    _, undisturbed, _, _ = whole
    trial, plan, store = faulty(tmp_path, cache_dir, "raise", 9)
    with pytest.raises(RuntimeError):
        attempt(trial, plan, store)
    for name in damaged:
        path = tmp_path / "results" / "tiny" / "checkpoints" / trial.trial_id / f"{name}.pt"
        path.write_bytes(damage(path.read_bytes(), tmp_path / "made"))
    events = []

    def report(event):
        events.append(event)
        if isinstance(event, TrialStarted) and damaged == (LAST,):  # a kill from here on leaves two that can be read
            kept = [store.read_checkpoint(trial.trial_id, name) for name in (LAST, PREVIOUS)]
            assert kept[0] == kept[1] is not None

    attempt(trial, plan, store, 2, report=report)
    assert [event.epoch for event in events if isinstance(event, EpochFinished)] == epochs
    assert store.log_path(trial.trial_id).read_text().count("cannot be read") == len(damaged)
    assert not (tmp_path / "made").exists()
    assert_same_rows(rows(store, trial.trial_id), rows(undisturbed, undisturbed.trials()[0]["trial_id"]))
    assert not store.has_checkpoint(trial.trial_id, PREVIOUS)


def test_divergence_ends_the_trial_with_the_step(tmp_path, cache_dir):
    weighting = {"kind": "hwf", "loss_weights": {"cls": 1e38}}
    plan, store = open_study(tiny_study(weighting=weighting), tmp_path, cache_dir)
    row = attempt(plan.trials[0], plan, store)
    assert row["status"] == "diverged"
    assert "step 0 (epoch 1)" in row["error"]
    assert store.trials()[0]["val_mota"] is None
    assert store.ledger()[0]["status"] == "diverged"


@pytest.mark.parametrize(
    ("weighting", "status", "error"),
    [
        ({"kind": "user_parts.faulty", "action": "exhaust"}, "oom", "out of memory: no room for 8 GiB; lower train."),
        ({"kind": "user_parts.faulty", "action": "exhaust_gpu"}, "oom", "out of memory: CUDA out of memory. Tried to "),
        ({"kind": "user_parts.faulty", "action": "misstate"}, "failed", "weighting: user_parts.faulty says its loss"),
    ],
)
def test_what_trying_again_would_not_mend_ends_the_trial(weighting, status, error, tmp_path, cache_dir):
    plan, store = open_study(tiny_study(weighting=weighting), tmp_path, cache_dir)
    row = attempt(plan.trials[0], plan, store)
    assert row["status"] == status
    assert row["error"].startswith(error)
    assert store.trials()[0]["status"] == status


def test_an_error_that_tells_a_secret_is_kept_without_it(tmp_path, cache_dir, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "tokenofenvironment")
    trial, plan, store = faulty(tmp_path, cache_dir, "leak", 0, once=False)
    row = attempt(trial, plan, store)
    assert row["error"].startswith("cannot log in with ")
    log = store.log_path(trial.trial_id).read_text()
    assert "cannot log in with " in log
    for text in (row["error"], store.trials()[0]["error"], log):
        assert "tokenofenvironment" not in text


def test_a_trial_can_be_pruned_after_an_epoch(tmp_path, cache_dir):
    plan, store = open_study(tiny_study(), tmp_path, cache_dir)
    answers = iter([Verdict.GO_ON, Verdict.STOP])
    row = attempt(plan.trials[0], plan, store, verdict=lambda: next(answers))
    assert (row["status"], row["epochs"]) == ("pruned", 2)
    assert "val_mota" in row
    assert store.read_checkpoint(plan.trials[0].trial_id, LAST) is None


def test_a_full_disk_stops_the_attempt_but_not_the_trial(tmp_path, cache_dir):
    trial, plan, store = faulty(tmp_path, cache_dir, "raise", 5)
    with pytest.raises(RuntimeError):
        attempt(trial, plan, store)
    before = store.read_rows("epochs", trial.trial_id)
    (tmp_path / "results" / "tiny" / "epochs").rename(tmp_path / "epochs")
    (tmp_path / "results" / "tiny" / "epochs").write_text("in the way")
    with pytest.raises(UserError, match="epochs"):
        attempt(trial, plan, store, 2)
    (tmp_path / "results" / "tiny" / "epochs").unlink()
    (tmp_path / "epochs").rename(tmp_path / "results" / "tiny" / "epochs")
    assert store.read_rows("epochs", trial.trial_id) == before
    assert store.trials() == []
    assert attempt(trial, plan, store, 3)["status"] == "completed"


HOLDER = """
import sys, time
from study.execute import holding
from study.results import ResultStore
holding.BEAT_SECONDS = 0.05
store = ResultStore(sys.argv[1], "tiny")
holding.Holding(store, "e", kind="attempt", devices=2.0, group_id="g", trial_id="t", attempt=1)
print("held", flush=True)
time.sleep(60)
"""


def test_who_is_killed_is_charged_to_the_last_beat(tmp_path, cache_dir):
    _, store = open_study(tiny_study(), tmp_path, cache_dir)
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        time.sleep(1)
        holder.kill()
    (entry,) = store.ledger()
    assert entry["status"] == "running"
    assert 0.3 < entry["held_seconds"] < 3
    assert cost([{**entry, "status": "lost"}])["lost_seconds"] == pytest.approx(2 * entry["held_seconds"])


def test_every_second_is_charged_once_to_a_trial_or_to_the_study(tmp_path, cache_dir):
    _, store = open_study(tiny_study(), tmp_path, cache_dir)
    idle = Holding(store, "idle", kind="idle", devices=1.0, group_id="g")
    started = time.monotonic()
    trial = Holding(store, "t-1", kind="attempt", devices=1.0, group_id="g", trial_id="t", instead_of=idle)
    time.sleep(0.5)
    assert {entry["entry_id"]: entry["status"] for entry in store.ledger()} == {"idle": "paused", "t-1": "running"}
    trial.end("completed")
    between = time.monotonic()
    time.sleep(0.2)  # the trial's row is written, say
    idle.end("completed")
    ended = time.monotonic()
    held = {entry["entry_id"]: entry["held_seconds"] for entry in store.ledger()}
    assert 0.5 <= held["t-1"] <= between - started
    assert ended - started - 0.1 <= sum(held.values()) <= ended - started + 0.1


@pytest.fixture(scope="module")
def population(tmp_path_factory, cache_dir):
    """Two members, two generations of two epochs; what came of each, and its events."""
    search = Population(size=2, epochs_per_generation=2, weights=Simplex(ratio=5), metric="val_ap")
    study = tiny_study(epochs=4, weighting=hwf.Config()).model_copy(update={"search": search})
    results = tmp_path_factory.mktemp("population")
    events = {}
    for generation in range(2):
        plan, store = open_study(study, results, cache_dir)
        members = plan.trials[2 * generation :]
        assert len(members) == 2
        for trial in members:
            attempt(trial, plan, store, report=events.setdefault(trial.trial_id, []).append)
    plan, store = open_study(study, results, cache_dir)
    assert plan.ended
    return plan, store, events


def test_members_of_a_population_stop_with_their_generation_and_go_on_from_their_parents(population):
    plan, store, events = population
    stored = {row["trial_id"]: row for row in store.trials()}
    assert [stored[t.trial_id]["status"] for t in plan.trials] == ["pruned", "pruned", "completed", "completed"]
    assert [stored[t.trial_id]["epochs"] for t in plan.trials] == [2, 2, 4, 4]
    for trial, epochs in zip(plan.trials, ([1, 2], [1, 2], [3, 4], [3, 4]), strict=True):
        told = [event.epoch for event in events[trial.trial_id] if isinstance(event, EpochFinished)]
        assert told == epochs
        assert {row["epoch"] for row in store.read_rows("epochs", trial.trial_id)} == set(epochs)
    best = max(plan.trials[:2], key=lambda trial: stored[trial.trial_id]["val_ap"])
    assert {trial.parent for trial in plan.trials[2:]} == {best.trial_id}  # the better one itself, and its copy
    for trial in plan.trials[:2]:
        assert stored[trial.trial_id]["val_ap"] > 0
        assert store.read_checkpoint(trial.trial_id, LAST) is not None
        assert store.read_checkpoint(trial.trial_id, MODEL) is None


def test_a_schedule_trained_in_parts_is_that_trained_from_nothing(population, tmp_path, cache_dir):
    plan, store, _ = population
    _, alone = open_study(plan.study, tmp_path, cache_dir)
    for trial in plan.trials[2:]:
        attempt(replace(trial, parent=None), plan, alone)
        mine, theirs = rows(store, trial.trial_id), rows(alone, trial.trial_id)
        for table in ("steps", "epochs", "sequences"):
            of_generation = theirs[table][theirs[table]["epoch"] > 2].reset_index(drop=True)
            assert len(of_generation) > 0
            assert mine[table].equals(of_generation), table
        assert mine["trials"].equals(theirs["trials"])
        configured = trial.configuration.weighting.stages
        used = {row["epoch"]: row["loss_weight"] for row in alone.read_rows("steps", trial.trial_id)}
        for epoch, weight in used.items():
            assert weight == pytest.approx(configured[(epoch - 1) // 2]["reid"], rel=1e-6)
        models = (torch.load(io.BytesIO(s.read_checkpoint(trial.trial_id, MODEL))) for s in (store, alone))
        one, other = (model["tracker"] for model in models)
        assert same(one, other)


def test_a_member_whose_parent_left_no_checkpoint_trains_from_nothing(population, tmp_path, cache_dir):
    plan, store, _ = population
    _, alone = open_study(plan.study, tmp_path, cache_dir)
    row = attempt(plan.trials[2], plan, alone)
    (there,) = (row for row in store.trials() if row["trial_id"] == plan.trials[2].trial_id)
    assert (row["status"], row["val_ap"], row["test_ap"]) == ("completed", there["val_ap"], there["test_ap"])


def test_a_member_that_is_killed_at_the_end_of_its_generation_ends_there(population, tmp_path, cache_dir):
    plan, undisturbed, _ = population
    _, store = open_study(plan.study, tmp_path, cache_dir)
    trial = plan.trials[0]

    def killed(event):
        if isinstance(event, EpochFinished) and event.epoch == trial.until:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        attempt(trial, plan, store, report=killed)
    assert store.read_checkpoint(trial.trial_id, LAST) is not None
    row = attempt(trial, plan, store, 2)
    assert (row["status"], row["epochs"]) == ("pruned", 2)
    mine, theirs = rows(store, trial.trial_id), rows(undisturbed, trial.trial_id)
    for table in mine:
        assert mine[table].equals(theirs[table]), table
