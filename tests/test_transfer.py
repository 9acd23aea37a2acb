"""A tracker starts from the parameters of another one that fits."""

import numpy as np
import pytest
import torch

from study.data import BoxStatistics
from study.errors import UserError
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
from study.transfer import misfit, take_over


def untrained(seed=0):
    torch.manual_seed(seed)
    config = chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1, levels=(4,))
    return config.build(CLS_REG_REID, BoxStatistics(np.array([11.0, 13.0]), np.array([30.0, 34.0]), 2))


def test_a_tracker_takes_over_what_fits_and_says_what_does_not():
    first, second = untrained(), untrained(seed=1)
    state = second.state_dict()
    name = "backbone.stem.0.weight"
    other_losses = {"losses.another.scale": torch.zeros(3)}
    assert misfit(first, state | other_losses) is None
    assert misfit(first, state | {"another.weight": torch.zeros(3)}) == "its another.weight has no place"
    assert misfit(first, {key: value for key, value in state.items() if key != name}) == f"it has no {name}"
    cut = state | {name: state[name][:1]}
    assert misfit(first, cut) == f"its {name} is {list(cut[name].shape)}, expected {list(state[name].shape)}"
    with pytest.raises(UserError, match="the tracker to start from is of another architecture"):
        take_over(first, cut)
    assert not torch.equal(first.state_dict()[name], state[name])
    take_over(first, state | other_losses)
    assert all(torch.equal(value, state[key]) for key, value in first.state_dict().items())
