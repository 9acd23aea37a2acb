"""Every weighting with the settings it is tried under, and tiny trials of it on the `tiny` synthetic sequences."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor

import study.weighting
from study.config import Configuration, Data, Train, WeightingConfig
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
from study.weighting import Place, hwf, hwf_schedule, lwf

DEFAULTS: dict[str, WeightingConfig] = {
    found.name: module.Config()
    for found in pkgutil.iter_modules(study.weighting.__path__)
    if hasattr(module := importlib.import_module(f"study.weighting.{found.name}"), "Config")
}
"""All methods as they come; none can be forgotten."""

VARIANTS: dict[str, WeightingConfig] = {
    "hwf set": hwf.Config(loss_weights={"cls": 2.0, "reg": 0.5}),
    "hwf_schedule set": hwf_schedule.Config(stages=({}, {"cls": 2.0}, {"reg": 0.5}), epochs_per_stage=1),
    "lwf relu": lwf.Config(output="relu", channels=16, layers=2),  # not all 0 from the first step on under seed 0
    "lwf detached": lwf.Config(detach_input=True),
}
"""Methods with options that change what is computed."""

PLACES: tuple[Place, ...] = get_args(Place)
"""Where task gradients can be compared."""

BY_PLACE: dict[str, WeightingConfig] = {
    f"{name} at {place}": config.model_copy(update={"gramian_at": place})
    for name, config in DEFAULTS.items()
    for place in PLACES
    if getattr(config, "gramian_at", place) != place
}
"""Methods that compare task gradients, at the places that are not their default."""

SMALL: dict[str, Any] = {"width": 8, "fpn_channels": 16, "tower_channels": 16, "tower_depth": 1}
"""Settings of the chained tracker."""

DATA = Data(root="synthetic:tiny", image_size=(64, 48))


def configuration(weighting: WeightingConfig, tracker: Mapping[str, Any] | None = None, **train: Any) -> Configuration:
    """A trial of some milliseconds a step; `tracker` and `train` change its settings."""
    return Configuration(
        data=DATA,
        tracker=chained.Config(**(SMALL | dict(tracker or {}))),
        objective=CLS_REG_REID,
        weighting=weighting,
        train=Train(**({"batch_size": 4, "log_every": 1, "warmup_steps": 2, "precision": "float32"} | train)),
    )


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the last bit."""
    if isinstance(one, Tensor):
        # A buffer may be NaN until it is first set.
        return (
            one.dtype == other.dtype
            and torch.equal(one.isnan(), other.isnan())
            and torch.equal(one.nan_to_num(), other.nan_to_num())
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
