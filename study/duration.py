"""Lengths of time as people write them: `2h`, `90m`, `1h30m`, `45s`."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PositiveFloat

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([dhms])\s*")


def parse_duration(value: Any) -> Any:
    """Seconds of a text such as `1h30m`; anything that is no text is left as it is.

    Raises:
        ValueError: the text is no length of time.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    if not parts or _PART.sub("", text) or units != sorted(set(units), key="dhms".index):
        raise ValueError(f"{value!r} is no length of time; expected one such as 2h, 90m, 1h30m or 45s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def show_duration(seconds: float) -> str:
    """Such as `1h30m`, `2m05s` or `45s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


Duration = Annotated[PositiveFloat, BeforeValidator(parse_duration)]
"""Seconds; also as a text such as `2h`."""
