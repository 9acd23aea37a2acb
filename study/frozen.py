"""The base of every configuration: frozen models in which unknown keys are refused, and how their mistakes are told."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from study.errors import UserError, nearest

Model = TypeVar("Model", bound=BaseModel)


class Frozen(BaseModel):
    """Base of every configuration: immutable, unknown keys refused (with the nearest known one)."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}")
        return values


def validate(model: type[Model], plain: Any, where: str) -> Model:
    """Validate plain values; a mistake becomes one line with its dotted key.

    Raises:
        UserError: naming the key, what was expected, what was found, and the nearest known key.
    """
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error, plain)}") from None


def describe(error: ValidationError, plain: Any = None) -> str:
    """One line on the first mistake: its key in the plain values, what was expected and what was found."""
    first, *others = error.errors()
    key = ".".join(_keys(first["loc"], plain))
    text = str(first["ctx"]["error"]) if first["type"] == "value_error" else f"{first['msg']}, found {first['input']!r}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{key}: {text}{more}" if key else f"{text}{more}"


def _keys(place: tuple[int | str, ...], plain: Any) -> list[str]:
    """The keys that lead to a place; pydantic also names the `kind` that decided which class a value is of."""
    keys, node = [], plain
    for part in place:
        here = node if isinstance(node, Mapping) else dict(enumerate(node)) if isinstance(node, list | tuple) else {}
        if part in here or here.get("kind") != part:
            keys.append(str(part))
            node = here.get(part)
    return keys
