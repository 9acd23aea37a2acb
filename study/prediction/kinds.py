"""Which trials cost the same."""

from collections.abc import Mapping
from typing import Any

from study.config import digest


def kind_of(resolved: Mapping[str, Any]) -> str:
    """Name of a kind of trial: equal for configurations whose steps and frames take equally long.

    A float of the weighting (a learning rate, a loss weight) costs nothing; its other settings (`channels`,
    `gramian_at`) may. Data and length are not in it: costs are told for a step and a frame.

    Args:
        resolved: of a `Configuration`, or read from a row.
    """
    train = resolved["train"]
    return digest(
        [
            _without_floats(resolved["weighting"]),
            resolved["tracker"],
            resolved["objective"],
            resolved["data"]["image_size"],
            *(train[name] for name in ("batch_size", "optimizer", "precision")),
        ]
    )


def _without_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_floats(item) for name, item in value.items() if not isinstance(item, float)}
    if isinstance(value, list):
        return [_without_floats(item) for item in value if not isinstance(item, float)]
    return value
