"""One worker and several give the same rows: real processes, gloo."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from study.config import Configuration, Data, Train
from study.data import read_splits
from study.live_trial import LiveTrial
from study.losses.objectives import CLS_REG_REID, DEEPMOT
from study.tracker import center, chained
from study.train import EpochResult, train_trial
from study.weighting import dtp, hwf

# 47 training frames in batches of 3: every batch is uneven, and one worker has nothing in the last one.
CONFIGURATION = Configuration(
    data=Data(root="synthetic:tiny", image_size=(64, 48)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting=hwf.Config(loss_weights={"cls": 2.0, "reg": 0.5}),
    train=Train(epochs=1, batch_size=3, log_every=1, warmup_steps=2, precision="float32"),
)


LENT = CONFIGURATION.model_copy(
    update={
        "weighting": dtp.Config(momentum=0.5),
        "train": CONFIGURATION.train.model_copy(
            update={"epochs": 2, "validate_every": 2, "steps_per_epoch": 4, "batch_size": 2}
        ),
    }
)
"""Fewer pairs in a batch than workers; looks at more than the losses."""


def train(cache_dir: Path) -> tuple:
    torch.set_num_threads(1)
    splits = read_splits(CONFIGURATION.data, cache_dir)
    results = list(train_trial(CONFIGURATION, 0, splits, cache_dir=cache_dir, device=torch.device("cpu")))
    epoch, final = results
    assert isinstance(epoch, EpochResult)
    return epoch.steps, epoch.epochs, epoch.sequences, final.metrics, final.state()


CENTER = CONFIGURATION.model_copy(
    update={
        "tracker": center.Config(
            backbone="resnet18", channels=8, head_channels=8, embedding_channels=8, candidate_score=0.0
        ),
        "objective": DEEPMOT,
        "train": CONFIGURATION.train.model_copy(
            update={"epochs": 2, "validate_every": 2, "steps_per_epoch": 2, "batch_size": 2}
        ),
        "weighting": hwf.Config(),
    }
)


def worker(rank: int, world: int, folder: Path, job: Callable[[Path], Any]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    torch.save(job(folder / "cache"), folder / f"rank{rank}.pt")
    dist.destroy_process_group()


def first_epoch(configuration: Configuration, cache_dir: Path) -> list:
    torch.set_num_threads(1)
    splits = read_splits(configuration.data, cache_dir)
    epoch = next(train_trial(configuration, 0, splits, cache_dir=cache_dir, device=torch.device("cpu")))
    assert isinstance(epoch, EpochResult)
    return epoch.steps


def train_on_lent_pairs(cache_dir: Path) -> list:
    return first_epoch(LENT, cache_dir)


def train_centres(cache_dir: Path) -> list:
    return first_epoch(CENTER, cache_dir)


def test_every_parameter_of_a_centre_tracker_is_trained_on_every_worker(tmp_path):
    """A worker whose network has a parameter without a gradient would wait for ever, or raise."""
    alone = train_centres(tmp_path / "cache")
    multiprocessing.spawn(worker, args=(2, tmp_path, train_centres), nprocs=2)
    for rank in range(2):
        steps = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        assert [row["step"] for row in steps] == [row["step"] for row in alone]
        first = [(one["loss"], two["loss"]) for one, two in zip(alone, steps, strict=True) if one["step"] == 0]
        assert all(two == pytest.approx(one, rel=1e-3) for one, two in first)


def test_a_pair_that_is_lent_counts_once(tmp_path):
    alone = train_on_lent_pairs(tmp_path / "cache")
    multiprocessing.spawn(worker, args=(3, tmp_path, train_on_lent_pairs), nprocs=3)
    for rank in range(3):
        steps = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        for one, three in zip(alone, steps, strict=True):
            assert three["loss_weight"] == pytest.approx(one["loss_weight"], rel=1e-5)
            assert three["loss"] == pytest.approx(one["loss"], rel=1e-4)


def score(cache_dir: Path) -> tuple:
    torch.set_num_threads(1)
    splits = read_splits(CONFIGURATION.data, cache_dir)
    trial = LiveTrial(CONFIGURATION, 0, splits, cache_dir, torch.device("cpu"))
    return trial.score("train"), trial.score("val")


def test_figures_of_divided_sequences_are_those_of_the_whole_to_the_last_bit(tmp_path):
    alone = score(tmp_path / "cache")
    assert [len(rows) for _, _, rows in alone] == [2, 1]  # of three workers one or two have no sequence
    multiprocessing.spawn(worker, args=(3, tmp_path, score), nprocs=3)
    for rank in range(3):
        assert repr(torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)) == repr(alone)  # NaN is not NaN


@pytest.mark.parametrize("world", [2, 4])
def test_several_workers_equal_one(world, tmp_path):
    *alone, parameters = train(tmp_path / "cache")
    multiprocessing.spawn(worker, args=(world, tmp_path, train), nprocs=world)
    (*first, first_parameters), *others = (
        torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(world)
    )
    for *other, other_parameters in others:
        assert first == other
        assert all(torch.equal(first_parameters[name], other_parameters[name]) for name in first_parameters)

    epochs, their_epochs = ([row for row in rows[1] if row["split"] == "train"] for rows in (alone, first))
    assert len(epochs) == len(their_epochs) == 3
    for one, several in zip(epochs, their_epochs, strict=True):
        assert several["task"] == one["task"]
        assert several["loss"] == pytest.approx(one["loss"], rel=5e-2)
    steps, their_steps = alone[0], first[0]
    assert len(steps) == len(their_steps) > 30
    for one, several in zip(steps, their_steps, strict=True):
        assert (one["step"], one["task"], one["loss_weight"]) == (
            several["step"],
            several["task"],
            several["loss_weight"],
        )
        # Rounding grows with every step: the first ones are equal to float32, the last ones close.
        tolerance = 1e-5 if one["step"] < 3 else 5e-2
        for name in ("loss", "weighted_total", "gradient_norm"):
            assert several[name] == pytest.approx(one[name], rel=tolerance, abs=1e-6)
    for name, value in parameters.items():
        torch.testing.assert_close(first_parameters[name], value, atol=2e-2, rtol=2e-2)
