"""Studies whose trials start from the trackers that another study has trained."""

import pytest
import torch
from pydantic import ValidationError
from tiny import open_study, rows, tiny_study

from study.config import Configuration, Execution, Train
from study.errors import UserError
from study.execute.attempt import run_attempt
from study.losses import giou
from study.results import LAST, MODEL, ResultStore

CPU = torch.device("cpu")
KEEP = Execution(keep_checkpoints="all")


def ended(plan, store):
    return [run_attempt(trial, plan, store, attempt=1, device=CPU) for trial in plan.missing]


def base(**changes):
    settings = {"seeds": (0, 1), "epochs": 2, "execution": KEEP} | changes
    return tiny_study(**settings).model_copy(update={"name": "base"})


def fine(start="base", **changes):
    settings = {"seeds": (0, 1), "epochs": 1, "start_from": start} | changes
    return tiny_study(**settings).model_copy(update={"name": "fine"})


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache_dir):
    folder = tmp_path_factory.mktemp("results")
    ended(*open_study(base(), folder, cache_dir))
    return folder


def first_losses(store, trial):
    return [row["loss"] for row in store.read_rows("steps", trial.trial_id) if row["step"] == 0]


def test_every_trial_starts_from_the_tracker_of_its_own_seed(results, cache_dir):
    # Learning rate 0: what comes out is what went in.
    plan, store = open_study(fine(lr=1e-30, weight_decay=0), results, cache_dir)
    ended(plan, store)
    trained = ResultStore(results, "base", create=False)
    trained_ids = {row["seed"]: row["trial_id"] for row in trained.trials()}
    for trial in plan.trials:
        before = plan.starts.read(trial.seed)
        after = torch.load(results / "fine" / "checkpoints" / trial.trial_id / "model.pt", weights_only=True)["tracker"]
        stored = results / "base" / "checkpoints" / trained_ids[trial.seed] / "model.pt"
        assert all(torch.equal(value, before[name]) for name, value in after.items())
        assert before.keys() == torch.load(stored, weights_only=True)["tracker"].keys()
    first, second = (plan.starts.read(seed) for seed in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_it_is_not_what_it_would_be_from_nothing(results, cache_dir, tmp_path):
    plan, store = open_study(fine(), results, cache_dir)
    ended(plan, store)
    alone, elsewhere = open_study(fine(None), tmp_path, cache_dir)
    ended(alone, elsewhere)
    for trial, other in zip(plan.trials, alone.trials, strict=True):
        assert trial.trial_id != other.trial_id
        assert sum(first_losses(store, trial)) < sum(first_losses(elsewhere, other))


def test_an_attempt_that_goes_on_does_not_start_again(results, cache_dir):
    study = fine(epochs=2, seeds=(0,), lr=1e-3).model_copy(update={"name": "whole"})
    plan, store = open_study(study, results, cache_dir)
    ended(plan, store)
    again, copy = open_study(study.model_copy(update={"name": "again"}), results, cache_dir)
    trial = again.trials[0]
    with pytest.raises(KeyboardInterrupt):
        run_attempt(trial, again, copy, attempt=1, device=CPU, verdict=interrupt)
    assert copy.has_checkpoint(trial.trial_id, LAST)
    run_attempt(trial, again, copy, attempt=2, device=CPU)
    for table in ("steps", "epochs", "sequences"):
        assert rows(copy, trial.trial_id)[table].equals(rows(store, trial.trial_id)[table].assign(study="again"))


def interrupt():
    raise KeyboardInterrupt


def test_a_finished_study_needs_no_models_any_more_and_knows_when_its_base_was_trained_again(cache_dir, tmp_path):
    first, trained = open_study(base(seeds=(0,), epochs=1), tmp_path, cache_dir)
    ended(first, trained)
    study = fine(seeds=(0,))
    plan, store = open_study(study, tmp_path, cache_dir)
    ended(plan, store)
    trained.delete_checkpoint(first.trials[0].trial_id, MODEL)
    again, _ = open_study(study, tmp_path, cache_dir)
    assert (again.ended, again.changed) == (True, {})
    trained.discard(first.trials[0].trial_id)
    ended(open_study(base(seeds=(0,), epochs=1), tmp_path, cache_dir)[0], trained)
    later, _ = open_study(study, tmp_path, cache_dir)
    assert later.trials[0].trial_id == plan.trials[0].trial_id
    assert list(later.changed.values()) == ["base was trained again"]


def test_frames_that_the_base_has_learnt_from_score_nothing(results, cache_dir):
    trained = ResultStore(results, "base")
    plan, _ = open_study(base(), results, cache_dir)
    entry = plan.splits.manifest["val"][0]
    seen = {**plan.splits.manifest, "train": [{**entry, "last": entry["first"] + 1}]}
    trained.write_manifest(plan.splits.data_hash, seen, plan.study.data.root)
    try:
        with pytest.raises(UserError, match=r"base was trained on frames 1-2 of \S+, which data\.val has too"):
            open_study(fine(), results, cache_dir)
    finally:
        trained.write_manifest(plan.splits.data_hash, plan.splits.manifest, plan.study.data.root)
    open_study(fine(), results, cache_dir)


def test_what_a_trial_starts_from_is_part_of_its_name_in_full(results, cache_dir):
    row = ResultStore(results, "base", create=False).trials()[0]
    full = f"base/{row['configuration_id']}/{row['data_hash']}"
    for start in ("base", f"base/{row['configuration_id'][:4]}", full):
        plan, _ = open_study(fine(start), results, cache_dir)
        assert plan.study.train.start_from == full
        assert plan.trials[0].configuration.resolved()["train"]["start_from"] == full
    assert "start_from" not in fine(None).configurations()[0].resolved()["train"]
    stored = Configuration.model_validate(fine(None).configurations()[0].model_dump())
    assert stored.train.start_from is None


def test_other_losses_may_follow_and_parameters_of_both_are_kept(results, cache_dir):
    """A loss more changes nothing about what the tracker's own parameters begin with."""
    study = fine(lr=1e-30, weight_decay=0, seeds=(0,))
    objective = study.objective.model_copy(update={"task_losses": (*study.objective.task_losses, giou.Config())})
    plan, store = open_study(study.model_copy(update={"objective": objective, "name": "more"}), results, cache_dir)
    (row,) = ended(plan, store)
    assert row["status"] == "completed"
    after = torch.load(results / "more" / "checkpoints" / row["trial_id"] / f"{MODEL}.pt", weights_only=True)["tracker"]
    before = plan.starts.read(0)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "bases"}, "no results of a study 'bases' .*did you mean 'base'"),
        ({"start": "fine"}, "no results of a study 'fine'"),
        ({"start": "base/0123"}, r"'base/0123' is no completed configuration; found \w{16}/\w+"),
        ({"seeds": (0, 1, 2)}, "base has no completed trial with seed 2, found seeds 0, 1; run it with --seeds 0,1,2"),
        ({"points": ({"train.start_from": None},)}, r"points\[0\]: train.start_from differs from the study's"),
    ],
)
def test_nothing_to_start_from_is_told_before_anything_runs(changes, message, results, cache_dir):
    with pytest.raises(UserError, match=message):
        open_study(fine(**changes), results, cache_dir)


def test_another_architecture_is_told_before_anything_runs(results, cache_dir):
    study = fine()
    wider = study.model_copy(update={"tracker": study.tracker.model_copy(update={"tower_channels": 32})})
    with pytest.raises(UserError, match=r"of base is of another architecture than this study's \(its .* is \["):
        open_study(wider, results, cache_dir)


def test_several_configurations_and_models_that_were_not_kept_are_told(cache_dir, tmp_path):
    plan, store = open_study(base(points=({}, {"train.lr": 1e-4}), seeds=(0,), epochs=1), tmp_path, cache_dir)
    ended(plan, store)
    with pytest.raises(UserError, match="base has 2 completed configurations; choose one as 'base/CONFIGURATION_ID'"):
        open_study(fine(seeds=(0,)), tmp_path, cache_dir)
    chosen = plan.trials[1]
    start = f"base/{chosen.configuration_id}"
    assert open_study(fine(start, seeds=(0,)), tmp_path, cache_dir)[0].starts.trials == {0: chosen.trial_id}
    store.delete_checkpoint(chosen.trial_id, MODEL)
    with pytest.raises(UserError, match=r"seed 0 was not kept; set execution\.keep_checkpoints to 'all' in that study"):
        open_study(fine(start, seeds=(0,)), tmp_path, cache_dir)


def test_a_model_that_is_damaged_or_goes_while_the_study_runs_is_told(cache_dir, tmp_path):
    ended(*open_study(base(seeds=(0,), epochs=1), tmp_path, cache_dir))
    plan, store = open_study(fine(seeds=(0,)), tmp_path, cache_dir)
    (model,) = (tmp_path / "base" / "checkpoints").glob("*/model.pt")
    model.write_bytes(model.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"train\.start_from: base, model of trial .*: not a checkpoint"):
        open_study(fine(seeds=(0,)), tmp_path, cache_dir)
    model.unlink()
    with pytest.raises(UserError, match=r"model of trial \w+: is not there any more"):  # another attempt may find it
        ended(plan, store)


@pytest.mark.parametrize("text", ["", "../base", "base/xyz", "base/0123/0123/0123", "base/"])
def test_names_that_are_none(text):
    with pytest.raises(ValidationError, match="start_from"):
        Train(start_from=text)
