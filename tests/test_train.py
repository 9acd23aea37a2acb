"""Trains real, tiny trials on the `tiny` synthetic sequences, without ray."""

import io
from itertools import islice

import pytest
import torch

from study.config import Configuration, Data, Objective, Train
from study.data import Splits, box_statistics, read_splits
from study.errors import DivergedError, UserError
from study.live_trial import LiveTrial
from study.losses import classification, regression
from study.losses.objectives import CLS_REG_REID, TRANSTRACK
from study.optimization import learning_rate
from study.tracker import center, chained
from study.train import EpochResult, TrialResult, train_trial
from study.weighting import gradnorm, hwf

CPU = torch.device("cpu")
SMALL = chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=2)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def splits(cache_dir) -> Splits:
    return read_splits(Data(root="synthetic:tiny", image_size=(96, 64)), cache_dir)


def configuration(*, tracker=SMALL, objective=CLS_REG_REID, weighting=None, **train) -> Configuration:
    settings = {"epochs": 2, "batch_size": 4, "log_every": 1, "warmup_steps": 2, "steps_per_epoch": 3} | train
    return Configuration(
        data=Data(root="synthetic:tiny", image_size=(96, 64)),
        tracker=tracker,
        objective=objective,
        weighting=weighting or hwf.Config(),
        train=Train(**settings),
    )


def run(config, splits, cache_dir, seed=0, resume=None):
    return list(train_trial(config, seed, splits, cache_dir=cache_dir, device=CPU, resume=resume))


def rows(results):
    """Everything but time and memory."""
    return [
        (r.steps, r.epochs, r.sequences, r.metrics) if isinstance(r, EpochResult) else (r.sequences, r.metrics)
        for r in results
    ]


def through_a_file(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_the_same_seed_gives_the_same_rows_and_another_does_not(splits, cache_dir):
    first, again, other = (run(configuration(), splits, cache_dir, seed) for seed in (0, 0, 1))
    assert rows(first) == rows(again)
    assert rows(first) != rows(other)
    assert [type(r) for r in first] == [EpochResult, EpochResult, TrialResult]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_continues_bit_for_bit(splits, cache_dir, precision):
    config = configuration(epochs=3, precision=precision)
    whole = run(config, splits, cache_dir)
    start = train_trial(config, 0, splits, cache_dir=cache_dir, device=CPU)
    state = through_a_file(next(islice(start, 1)).state())
    torch.manual_seed(99)
    rest = run(config, splits, cache_dir, resume=state)
    assert rest[-1].precision == precision
    assert rows(rest) == rows(whole)[1:]
    for name, value in whole[-1].state().items():
        assert torch.equal(rest[-1].state()[name], value), name


def test_precision_changes_what_is_computed_a_little(splits, cache_dir):
    exact, rounded = (run(configuration(epochs=1, precision=p), splits, cache_dir) for p in ("float32", "bfloat16"))
    losses = [[row["loss"] for row in results[0].steps] for results in (exact, rounded)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch looks at its inputs
@pytest.mark.parametrize("tracker", [SMALL, center.Config(width=8, channels=16, head_channels=16)])
def test_compiled_parts_compute_what_the_others_do(tracker, splits, cache_dir):
    """With the backend that leaves the operators as they are: compiling takes minutes with the others."""
    objective = CLS_REG_REID if tracker is SMALL else TRANSTRACK
    plain, compiled = (
        configuration(tracker=tracker, objective=objective, epochs=1, precision="float32", compile=compile)
        for compile in (None, "aot_eager")
    )
    assert plain.configuration_id != compiled.configuration_id
    assert rows(run(plain, splits, cache_dir)) == rows(run(compiled, splits, cache_dir))
    assert compiled.tracker.build(objective, None).static_parts()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("place", ["last_shared_layer", "shared_parameters"])
def test_gradients_of_compiled_parts_can_be_compared(place, splits, cache_dir):
    plain, compiled = (
        configuration(weighting=gradnorm.Config(gramian_at=place), epochs=1, precision="float32", compile=compile)
        for compile in (None, "aot_eager")
    )
    assert rows(run(plain, splits, cache_dir)) == rows(run(compiled, splits, cache_dir))


def test_a_checkpoint_of_another_kind_of_device_is_laid_out_as_this_ones_network(splits, cache_dir):
    config = configuration(epochs=1)
    before, after = (LiveTrial(config, 0, splits, cache_dir, torch.device("cpu")) for _ in range(2))
    before.epoch = 1
    before.train_epoch()
    after.tracker.to(memory_format=torch.channels_last)  # as on a GPU
    after.load_state(through_a_file(before.state()))
    kept = before.stepper.optimizer.state_dict()["state"]
    for number, (parameter, state) in enumerate(after.stepper.optimizer.state.items()):
        assert state["exp_avg"].stride() == parameter.stride()
        assert torch.equal(state["exp_avg"], kept[number]["exp_avg"])
    assert any(not state["exp_avg"].is_contiguous() for state in after.stepper.optimizer.state.values())


def test_a_run_killed_before_its_test_is_only_tested(splits, cache_dir):
    *_, last, final = run(configuration(), splits, cache_dir)
    (only,) = run(configuration(), splits, cache_dir, resume=through_a_file(last.state()))
    assert isinstance(only, TrialResult)
    assert only.metrics == final.metrics


def test_rows_hold_what_their_tables_declare(splits, cache_dir):
    config = configuration(weighting=hwf.Config(loss_weights={"reg": 0.5}), log_every=2, validate_every=2)
    first, second, final = run(config, splits, cache_dir)
    assert [(r["step"], r["task"]) for r in first.steps] == [(s, t) for s in (0, 2) for t in ("cls", "reg", "reid")]
    for step in (0, 2):
        parts = [r for r in first.steps if r["step"] == step]
        total = sum(r["loss"] * r["loss_weight"] for r in parts)
        assert [r["loss_weight"] for r in parts] == [1, 0.5, 1]
        assert all(r["weighted_total"] == pytest.approx(total) for r in parts)
        assert all(r["gradient_norm"] > 0 for r in parts)
    assert first.metrics == {}
    assert first.sequences == []
    assert [(r["split"], r["task"]) for r in second.epochs] == [
        *(("train", task) for task in ("cls", "reg", "reid")),
        *(("val", task) for task in ("cls", "reg", "reid", "")),
    ]
    assert {"val_mota", "val_idf1", "val_hota", "val_ap", "val_id_accuracy"} <= set(second.metrics)
    assert [r["sequence"] for r in second.sequences] == [clip.name for clip in splits.val]
    assert {"test_mota"} <= set(final.metrics) if splits.test else not any(k.startswith("test") for k in final.metrics)
    assert final.num_parameters == sum(p.numel() for p in SMALL.build(CLS_REG_REID, _statistics(splits)).parameters())
    assert final.peak_memory_bytes > 50e6


def _statistics(splits):
    return box_statistics(splits.train, (96, 64), 0.1)


def test_without_a_test_split_its_columns_stay_empty(cache_dir):
    data = Data(root="synthetic:tiny", image_size=(96, 64))
    splits = read_splits(data, cache_dir)
    without = Splits(splits.train, splits.val, (), splits.data_hash, splits.manifest)
    final = run(configuration(epochs=1), without, cache_dir)[-1]
    assert final.sequences == []
    assert {name.split("_")[0] for name in final.metrics} == {"val"}


def test_two_tasks_and_five_tasks_train(splits, cache_dir):
    two = Objective(name="two", task_losses=(classification.Config(), regression.Config()))
    final = run(
        configuration(objective=two, tracker=SMALL.model_copy(update={"towers": ("cls", "reg")}), epochs=1),
        splits,
        cache_dir,
    )
    assert {r["task"] for r in final[0].steps} == {"cls", "reg"}
    more = (regression.Config(name="reg_sum", coordinates="sum"), classification.Config(name="cls_gamma1", gamma=1.0))
    five = Objective(name="five", task_losses=(*CLS_REG_REID.task_losses, *more))
    results = run(configuration(objective=five, epochs=1), splits, cache_dir)
    assert {r["task"] for r in results[0].steps} == {"cls", "reg", "reid", "reg_sum", "cls_gamma1"}


def test_loss_weights_matter_to_what_is_learned(splits, cache_dir):
    one, other = (
        run(configuration(epochs=1, weighting=hwf.Config(loss_weights={"cls": w})), splits, cache_dir)
        for w in (1.0, 0.0)
    )
    assert one[0].steps[0]["loss"] == other[0].steps[0]["loss"]  # the same start, unweighted
    assert one[0].steps[-3]["loss"] != other[0].steps[-3]["loss"]


def test_divergence_names_the_step(splits, cache_dir):
    config = configuration(weighting=hwf.Config(loss_weights={"reg": 3e38}))
    with pytest.raises(DivergedError, match=r"step 0 \(epoch 1\): .* is inf"):
        run(config, splits, cache_dir)


def test_a_state_of_another_architecture_is_refused(splits, cache_dir):
    state = run(configuration(epochs=1), splits, cache_dir)[0].state()
    wider = configuration(tracker=SMALL.model_copy(update={"tower_channels": 32}))
    with pytest.raises(UserError, match="another architecture"):
        run(wider, splits, cache_dir, resume=state)


def test_learning_rate_warms_up_and_falls_along_a_cosine():
    config = Train(lr=1.0, warmup_steps=4, final_lr_fraction=0.1)
    rates = [learning_rate(config, step, 104) for step in range(105)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert rates[54] == pytest.approx(0.55)
    assert rates[104] == pytest.approx(0.1)
    assert rates[4:] == sorted(rates[4:], reverse=True)
