"""Parts that can come from outside this package: a weighting, a task loss, a tracker.

The configuration of such a *component* is a class named `Config` in a module of its own, with a `build` method; the
module is the component's `kind`.
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BeforeValidator, ValidationError, model_serializer

from study.errors import UserError, nearest
from study.frozen import Frozen, describe


class Component(Frozen):
    """Configuration of a part that may live outside this package; `kind` names the module that holds it."""

    @classmethod
    def kind(cls) -> str:
        """`hwf` for `study.weighting.hwf`; the full module path for a module of the user's own."""
        module = cls.__module__
        return module.rpartition(".")[2] if module.startswith("study.") else module

    @model_serializer(mode="wrap")
    def _serialize_with_kind(self, handler: Any) -> dict[str, Any]:
        return {"kind": self.kind(), **handler(self)}

    def check(self) -> None:
        """Refuse, before anything runs, what could not be built then: a file that is not there, for example.

        Raises:
            UserError: what is wrong, and what to do.
        """


def component_in(room: str, base: type[Component]) -> Any:
    """Validator that turns `{"kind": ..., ...}` into the `Config` of the module that `kind` names."""

    def resolve(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fields = dict(value)
        kind = fields.pop("kind", None)
        if not isinstance(kind, str):
            raise ValueError("needs a 'kind': the name of a module here, or the full path of a module of your own")
        try:
            return load_component(room, base, kind).model_validate(fields)
        except ValidationError as error:
            raise ValueError(describe(error)) from None

    return BeforeValidator(resolve)


def load_component(room: str, base: type[Component], kind: str) -> type[Component]:
    """Import the configuration class of a component.

    Args:
        room: package that holds the built-in ones, for example `study.weighting`.
        base: class that the configuration must derive from.
        kind: name of a module in `room`, or the full path of a module elsewhere on PYTHONPATH.

    Raises:
        UserError: no such module, or it has no `Config` deriving from `base`.
    """
    own = f"{room}.{kind}"
    if not all(part.isidentifier() for part in kind.split(".")):
        raise UserError(f"kind: {kind!r} is no name of a module; {nearest(kind, _built_in(room))}")
    path = own if "." not in kind and importlib.util.find_spec(own) else kind
    if path.partition(".")[0] in sys.stdlib_module_names:  # some do something when they are imported
        raise UserError(f"kind: {kind!r} is a module of Python's own; {nearest(kind, _built_in(room))}")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise UserError(
            f"kind: no module {kind!r} in {room} or on PYTHONPATH; {nearest(kind, _built_in(room))}"
        ) from None
    config = getattr(module, "Config", None)
    if not (isinstance(config, type) and issubclass(config, base)):
        raise UserError(f"kind: {path} has no class 'Config' deriving from study.config.{base.__name__}")
    return config


@cache
def _built_in(room: str) -> tuple[str, ...]:
    """Names of the modules of a room that hold a component."""
    names = [found.name for found in pkgutil.iter_modules(importlib.import_module(room).__path__)]
    return tuple(name for name in names if hasattr(importlib.import_module(f"{room}.{name}"), "Config"))
