"""A past run as its source tells it, before its names and values are taken for ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run of a source.

    Attributes:
        source: file or folder as it was given, for messages.
        where: the run in it, for messages.
        noun: what a name is in the source: a column, or just a name.
        file: absolute path of what the run was read from.
        name: what tells it apart, also when it is imported again; None where its settings, seed and data do.
        values: by the source's names: texts, numbers, truths.
        series: by the source's names, values by step; the last one stands for the run.
        facts: columns of `trials` that the source states by itself.
    """

    source: str
    where: str
    noun: str
    file: str
    name: tuple[str, ...] | None
    values: Mapping[str, Any]
    series: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The source's names of its values and series, each once."""
        return tuple(dict.fromkeys([*self.values, *self.series]))

    def place(self, name: str) -> str:
        """Where a value stands, for messages."""
        return f"{self.where}, {self.noun} {name!r}"
