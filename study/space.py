"""Search spaces: what a search may choose for the settings of a configuration, typed and without any searcher's terms.

A space maps dotted keys of the configuration to dimensions. `Search` in `study.search_config` takes one.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, model_validator
from pydantic_core import to_jsonable_python

from study.draw import Draw, number, whole
from study.errors import UserError
from study.frozen import Frozen


@dataclass(frozen=True)
class Found:
    """A configuration that is looked up in a space.

    Attributes:
        plain: its resolved settings.
        tasks: names of the task losses, in order.
        keys: dotted keys of all dimensions that may be chosen.
    """

    plain: Mapping[str, Any]
    tasks: Sequence[str]
    keys: frozenset[str]

    def at(self, key: str) -> Any:
        """Value at a dotted key; None if there is none."""
        value: Any = self.plain
        for part in key.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value


class _Range(Frozen):
    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:  # type: ignore[attr-defined]
            raise ValueError(f"low {self.low} is not below high {self.high}")  # type: ignore[attr-defined]
        return self


class Uniform(_Range):
    """A number of [low, high]; every one is as likely."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float

    def choose(self, draw: Draw, name: str, tasks: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `choose`."""
        return {"": draw.suggest_float(name, self.low, self.high)}

    def parameters(self, found: Found, key: str, name: str) -> dict[str, Any]:
        """See `parameters`."""
        return {name: number(found.at(key), self.low, self.high, name)}


class LogUniform(_Range):
    """A number of [low, high]; every order of magnitude is as likely."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: PositiveFloat
    high: PositiveFloat

    def choose(self, draw: Draw, name: str, tasks: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `choose`."""
        return {"": draw.suggest_float(name, self.low, self.high, log=True)}

    def parameters(self, found: Found, key: str, name: str) -> dict[str, Any]:
        """See `parameters`."""
        return {name: number(found.at(key), self.low, self.high, name)}


class Integer(_Range):
    """A whole number of [low, high]."""

    kind: Literal["integer"] = "integer"
    low: int
    high: int
    log: bool = False

    @model_validator(mode="after")
    def _with_a_logarithm(self) -> Self:
        if self.log and self.low < 1:
            raise ValueError(f"low is {self.low}, and log=True needs at least 1")
        return self

    def choose(self, draw: Draw, name: str, tasks: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `choose`."""
        return {"": draw.suggest_int(name, self.low, self.high, log=self.log)}

    def parameters(self, found: Found, key: str, name: str) -> dict[str, Any]:
        """See `parameters`."""
        return {name: whole(found.at(key), self.low, self.high, name)}


class Weights(Frozen):
    """Raw loss weights, for the key `weighting.loss_weights`: T numbers of [low, high], each log-uniform."""

    kind: Literal["weights"] = "weights"
    low: PositiveFloat = 0.1
    high: PositiveFloat = 10.0

    def choose(self, draw: Draw, name: str, tasks: Sequence[str]) -> dict[str, Any]:
        """See `choose`."""
        return {"": {task: draw.suggest_float(f"{name}.{task}", self.low, self.high, log=True) for task in tasks}}

    def parameters(self, found: Found, key: str, name: str) -> dict[str, Any]:
        """See `parameters`."""
        weights = _weights(found.at(key), found.tasks)
        return {f"{name}.{task}": number(weights[task], self.low, self.high, f"{name}.{task}") for task in found.tasks}


class Simplex(Frozen):
    """Ratios of loss weights, for the key `weighting.loss_weights`: T - 1 dimensions instead of T.

    The network's optimiser is Adam's: the total scale of the loss changes next to nothing, so only ratios are searched,
    those of every task to the first, log-uniform in [1 / ratio, ratio]. The weights come out with the sum T.
    """

    kind: Literal["simplex"] = "simplex"
    ratio: Annotated[float, Field(gt=1)] = 10.0

    def choose(self, draw: Draw, name: str, tasks: Sequence[str]) -> dict[str, Any]:
        """See `choose`."""
        first, *others = tasks
        ratios = [1.0] + [
            draw.suggest_float(f"{name}.{task}/{first}", 1 / self.ratio, self.ratio, log=True) for task in others
        ]
        return {"": dict(zip(tasks, normalized(ratios), strict=True))}

    def parameters(self, found: Found, key: str, name: str) -> dict[str, Any]:
        """See `parameters`."""
        weights = _weights(found.at(key), found.tasks)
        first, *others = found.tasks
        if not weights[first]:
            raise UserError(f"{name}.{first} is 0, and the other weights are searched as ratios to it")
        return {
            f"{name}.{task}/{first}": number(
                weights[task] / weights[first], 1 / self.ratio, self.ratio, f"{name}.{task}/{first}"
            )
            for task in others
        }


class Option(Frozen):
    """A value of a `Choice` that opens dimensions of its own: they are searched only where this value is chosen."""

    value: Any
    space: "Space" = {}


class Choice(Frozen):
    """One of several values: numbers, words, components such as `lwf.Config()`, or `Option`s."""

    kind: Literal["choice"] = "choice"
    values: Annotated[tuple[Annotated[Option | Any, Field(union_mode="left_to_right")], ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [self._label(i) for i in range(len(self.values))]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two values of a choice are {name}")
        return self

    def choose(self, draw: Draw, name: str, tasks: Sequence[str]) -> dict[str, Any]:
        """See `choose`."""
        labels = [self._label(i) for i in range(len(self.values))]
        chosen = labels.index(draw.suggest_categorical(name, labels))
        point: dict[str, Any] = {"": self._value(chosen)}
        for key, dimension in self._space(chosen).items():
            for below, value in dimension.choose(draw, f"{key}[{labels[chosen]}]", tasks).items():
                point[below or key] = value
        return point

    def parameters(self, found: Found, key: str, name: str) -> dict[str, Any]:
        """See `parameters`."""
        for i in range(len(self.values)):
            space = self._space(i)
            inside = replace(found, keys=found.keys | {below for below, _ in dimensions(space)})
            if _fits(found.at(key), to_jsonable_python(self._value(i)), key, inside.keys - {key}):
                label = self._label(i)
                chosen: dict[str, Any] = {name: label}
                for below, dimension in space.items():
                    chosen |= dimension.parameters(inside, below, f"{below}[{label}]")
                return chosen
        raise UserError(f"{name}: {json.dumps(found.at(key))} is none of the values of the choice")

    def _label(self, i: int) -> Any:
        """What stands for the value in a searcher: itself if it is plain, a component's kind if that tells it apart."""
        plain = to_jsonable_python(self._value(i))
        if not isinstance(plain, Mapping | list):
            return plain
        kinds = [to_jsonable_python(self._value(k)) for k in range(len(self.values))]
        kind = plain.get("kind") if isinstance(plain, Mapping) else None
        if kind and sum(isinstance(other, Mapping) and other.get("kind") == kind for other in kinds) == 1:
            return kind
        return json.dumps(plain, sort_keys=True)

    def _value(self, i: int) -> Any:
        value = self.values[i]
        return value.value if isinstance(value, Option) else value

    def _space(self, i: int) -> "Space":
        value = self.values[i]
        return value.space if isinstance(value, Option) else {}


Dimension = Annotated[Uniform | LogUniform | Integer | Weights | Simplex | Choice, Field(discriminator="kind")]
Space = dict[str, Dimension]

Option.model_rebuild()
Choice.model_rebuild()


def choose(space: Space, draw: Draw, tasks: Sequence[str]) -> dict[str, Any]:
    """Choose a point of the space.

    Args:
        space: dimensions by dotted key.
        draw: makes the choices, each under a name of its own.
        tasks: names of the task losses, in order.

    Returns:
        Values by dotted key, as in `Study.points`; a component before its own settings.
    """
    point: dict[str, Any] = {}
    for key, dimension in space.items():
        for below, value in dimension.choose(draw, key, tasks).items():
            point[below or key] = value
    return dict(sorted(point.items(), key=lambda item: item[0].count(".")))


def parameters(space: Space, plain: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, Any]:
    """The choices that lead to a configuration, by name: the inverse of `choose`.

    Args:
        space: dimensions by dotted key.
        plain: resolved configuration.
        tasks: names of the task losses, in order.

    Raises:
        UserError: the configuration lies outside the space.
    """
    found = Found(plain, tasks, frozenset(space))
    chosen: dict[str, Any] = {}
    for key, dimension in space.items():
        chosen |= dimension.parameters(found, key, key)
    return chosen


def grid(axes: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Every combination of values by dotted key, as points of a study; the last axis runs fastest."""
    return tuple(dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


def normalized(weights: Sequence[float]) -> list[float]:
    """Loss weights of the same ratios whose sum is their number.

    Raises:
        UserError: every weight is 0.
    """
    total = math.fsum(weights)
    if not total:
        raise UserError("every loss weight is 0; at least one must be above")
    return [len(weights) * weight / total for weight in weights]


def num_points(space: Space) -> float:
    """How many points a space has: infinitely many if one of its numbers is continuous."""
    return math.prod(_num_values(dimension) for dimension in space.values())


def _num_values(dimension: "Dimension") -> float:
    if isinstance(dimension, Integer):
        return dimension.high - dimension.low + 1
    if isinstance(dimension, Choice):
        return sum(num_points(value.space) if isinstance(value, Option) else 1 for value in dimension.values)
    return math.inf


def dimensions(space: Space) -> Iterator[tuple[str, Dimension]]:
    """All dimensions with their keys, those of options too."""
    for key, dimension in space.items():
        yield key, dimension
        for value in dimension.values if isinstance(dimension, Choice) else ():
            if isinstance(value, Option):
                yield from dimensions(value.space)


def refuse_overlaps(space: Space, around: Space | None = None) -> None:
    """Check that no setting is chosen twice: only below a choice between components may there be other dimensions.

    Args:
        space: dimensions by dotted key, those of options too.
        around: those that are chosen beside it.

    Raises:
        ValueError: two dimensions that set the same.
    """
    around = around or {}
    together = {**around, **space}
    for key in space.keys() & around.keys():
        raise ValueError(f"{key} is searched twice: by itself, and by an option of a choice")
    for key, below in itertools.permutations(together, 2):
        if below.startswith(f"{key}.") and not isinstance(together[key], Choice):
            raise ValueError(f"{below} is searched twice: by itself, and by {key}")
    for dimension in space.values():
        for value in dimension.values if isinstance(dimension, Choice) else ():
            if isinstance(value, Option):
                refuse_overlaps(value.space, together)


def _weights(value: Any, tasks: Sequence[str]) -> dict[str, float]:
    """Loss weights by task; those that are not set are 1, as in `hwf`."""
    if not isinstance(value, Mapping):
        raise UserError(f"loss weights are {value!r}, expected one number for each of {', '.join(tasks)}")
    return {task: value.get(task, 1.0) for task in tasks}


def _fits(value: Any, expected: Any, key: str, elsewhere: Set[str]) -> bool:
    """Whether the value at a key is the expected one, but for settings below it that are chosen elsewhere."""
    if key in elsewhere:
        return True
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        names = {*value, *expected}
        return all(_fits(value.get(name), expected.get(name), f"{key}.{name}", elsewhere) for name in names)
    return bool(value == expected)
