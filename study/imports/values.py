"""Values of past runs: texts or numbers of a source as what their column holds, or a line on what is wrong."""

import contextlib
import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from study.collapse import WEIGHTING_STATUSES
from study.config import read_value
from study.errors import UserError, nearest
from study.schema import INTEGER, STATUSES, TEXT, TIME

_CHOICES = {"status": STATUSES, "weighting_status": WEIGHTING_STATUSES}

MLFLOW_STATUSES = {
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "interrupted",
    "RUNNING": "interrupted",
    "SCHEDULED": "interrupted",
}
"""MLflow's words for how a run ended, in its file store and in the CSV files that it exports."""

_UNBOUNDED = {"mota"}
"""Fractions that may be negative."""

_TOO_LARGE = 2**63


def column_value(field: pa.Field, value: Any, place: str, *, percent: bool = False) -> Any:
    """A value of a column of `trials`; None if there is none (an empty cell, or NaN).

    Args:
        field: the column.
        value: text, number, truth or time.
        place: where it stands, for messages.
        percent: fractions are given as percentages.

    Raises:
        UserError: it is not what the column holds.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if field.type == TEXT:
        return _text(field.name, str(value).strip(), place)
    if field.type == TIME:
        return _time(value, place)
    if field.type == INTEGER:
        number = _whole(value, place)
    else:
        in_percent = percent and is_fraction(field)
        number = _number(value, place, in_percent)
        number = number / 100 if in_percent else number
    if number != number:
        return None
    if is_fraction(field):
        may_be_negative = field.name.rpartition("_")[2] in _UNBOUNDED
        if not math.isfinite(number) or number > 1 or (number < 0 and not may_be_negative):
            expected = "a percentage, 0 to 100" if percent else "a fraction, 0 to 1 (--percent divides by 100)"
            raise UserError(f"{place}: {value}, expected {expected}")
    elif not math.isfinite(number) or (number < 0 and field.metadata[b"unit"]):
        raise UserError(f"{place}: {value}, expected a number of {field.metadata[b'unit'].decode()} from 0")
    return number


def is_fraction(field: pa.Field) -> bool:
    """Whether a column holds fractions, which a source may give as percentages."""
    return (field.metadata or {}).get(b"unit") == b"fraction"


def setting(value: Any, place: str) -> Any:
    """A setting's plain value; whole numbers are integers, so that 1 and 1.0 are one; None for an empty cell.

    Raises:
        UserError: a number that is not finite or too large.
    """
    plain = read_value(value.strip()) if isinstance(value, str) else value
    if isinstance(plain, str):
        with contextlib.suppress(ValueError):
            plain = float(plain)  # .5 or 1., which JSON does not know
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        if not abs(plain) < _TOO_LARGE:
            raise UserError(f"{place}: {value} is not finite, or too large")
        return int(plain) if float(plain).is_integer() else plain
    return None if plain == "" else plain


def _whole(value: Any, place: str) -> int | float:
    """A count or a seed, read without a detour over floating point; NaN if it is that."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = int(value)
    number = value if isinstance(value, int) and not isinstance(value, bool) else _number(value, place, False)
    if number == number and not (abs(number) < _TOO_LARGE and number == int(number)):
        raise UserError(f"{place}: {value} is not a whole number of 64 bits")
    return number if number != number else int(number)


def _number(value: Any, place: str, in_percent: bool) -> float:
    text = value.strip().removesuffix("%" if in_percent else "") if isinstance(value, str) else value
    try:
        if not isinstance(value, bool):
            return float(text)
    except ValueError:
        pass
    hint = "; write a decimal point" if isinstance(value, str) and "," in value else ""
    raise UserError(f"{place}: {value!r} is not a number{hint}")


def _text(name: str, text: str, place: str) -> str:
    if name == "status":
        text = MLFLOW_STATUSES.get(text, text)
    choices = _CHOICES.get(name)
    if choices is not None and text not in choices:
        raise UserError(f"{place}: {text!r} is no {name}; {nearest(text.lower(), choices)}")
    return text


def _time(value: Any, place: str) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise UserError(f"{place}: {value!r} is not a time; expected one like 2025-01-31T12:00:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
