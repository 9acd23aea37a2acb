"""Every weighting continues bit for bit after a stop, and leaves the network's beginning and the data alone."""

import io
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_trials import DATA, DEFAULTS, VARIANTS, configuration, same

from study.config import WeightingConfig
from study.data import Splits, read_splits
from study.train import EpochResult, train_trial

WEIGHTINGS = DEFAULTS | VARIANTS
EPOCHS = 3
"""DWA weighs all tasks alike in the first two."""


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def splits(cache_dir) -> Splits:
    return read_splits(DATA, cache_dir)


def epochs_of(
    weighting: WeightingConfig,
    splits: Splits,
    cache_dir: Path,
    resume: Mapping[str, Any] | None = None,
    **train: Any,
) -> Iterator[EpochResult]:
    """All epochs but the last one, which would be validated."""
    settings = {"epochs": EPOCHS + 1, "validate_every": EPOCHS + 1, "steps_per_epoch": 3} | train
    config = configuration(weighting, **settings)
    trial = train_trial(config, 0, splits, cache_dir=cache_dir, device=torch.device("cpu"), resume=resume)
    return islice(trial, config.train.epochs - 1 - (resume["epoch"] if resume else 0))


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_resumed_trial_continues_bit_for_bit(splits, cache_dir, name):
    rows, states = [], []
    for epoch in epochs_of(WEIGHTINGS[name], splits, cache_dir):
        rows.append((epoch.steps, epoch.epochs))
        states.append(through_a_file(epoch.state()))
    assert len(rows) == EPOCHS
    torch.manual_seed(99)
    rest = list(epochs_of(WEIGHTINGS[name], splits, cache_dir, resume=states[0]))
    assert [(epoch.steps, epoch.epochs) for epoch in rest] == rows[1:]
    assert same(through_a_file(rest[-1].state()), states[-1])


@pytest.fixture(scope="module")
def losses_under_hwf(splits, cache_dir) -> list[float]:
    return losses_at_rest(DEFAULTS["hwf"], splits, cache_dir)


def losses_at_rest(weighting: WeightingConfig, splits: Splits, cache_dir: Path) -> list[float]:
    """Unweighted losses of the first steps of a network that does not move."""
    epochs = list(epochs_of(weighting, splits, cache_dir, lr=1e-30))
    return [row["loss"] for epoch in epochs for row in epoch.steps]


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_the_first_network_and_all_batches_are_those_of_hwf(splits, cache_dir, losses_under_hwf, name):
    assert losses_at_rest(WEIGHTINGS[name], splits, cache_dir) == losses_under_hwf
    assert len(set(losses_under_hwf)) == len(losses_under_hwf)
