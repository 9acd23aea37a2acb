"""What makes the choices of a search: a searcher, chance, or choices that were made before."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from study.errors import UserError


class Draw(Protocol):
    """What chooses: `optuna.Trial` has these methods."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float:
        """A number of [low, high]."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int:
        """A whole number of [low, high]."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


class Fixed:
    """Makes the choices that are given, by name."""

    def __init__(self, chosen: Mapping[str, Any]) -> None:
        self._chosen = chosen

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:  # noqa: ARG002
        """The number given."""
        return number(self._take(name), low, high, name)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:  # noqa: ARG002
        """The whole number given."""
        return whole(self._take(name), low, high, name)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The choice given."""
        value = self._take(name)
        if value not in choices:
            raise UserError(f"{name}: {value!r} is none of {list(choices)}")
        return value

    def _take(self, name: str) -> Any:
        if name not in self._chosen:
            raise UserError(f"{name}: not chosen")
        return self._chosen[name]


class RandomDraw:
    """Chooses at random."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:  # noqa: ARG002
        """A number of [low, high]."""
        if log:
            return self._log_uniform(low, high)
        return self._source.uniform(low, high)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:  # noqa: ARG002
        """A whole number of [low, high]."""
        if log:  # each with the share of the logarithmic scale that is nearest to it
            return min(max(round(self._log_uniform(low - 0.5, high + 0.5)), low), high)
        return self._source.randint(low, high)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ARG002
        """One of the choices."""
        return self._source.choice(choices)

    def _log_uniform(self, low: float, high: float) -> float:
        return min(max(math.exp(self._source.uniform(math.log(low), math.log(high))), low), high)


def number(value: Any, low: float, high: float, name: str) -> float:
    """A value that is to be a number of [low, high].

    Raises:
        UserError: it is none.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UserError(f"{name}: {value!r} is not a number")
    # A ratio of two rounded weights may lie an ulp outside.
    if not (low <= value <= high or math.isclose(value, low) or math.isclose(value, high)):
        raise UserError(f"{name}: {value:g} is outside [{low:g}, {high:g}]")
    return min(max(value, low), high)


def whole(value: Any, low: int, high: int, name: str) -> int:
    """A value that is to be a whole number of [low, high].

    Raises:
        UserError: it is none.
    """
    if number(value, low, high, name) != int(value):
        raise UserError(f"{name}: {value:g} is no whole number")
    return int(value)
