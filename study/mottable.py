"""Tables of numbers in MOTChallenge text files: read fast, checked by column, mistakes named by file and line."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from study.errors import UserError

_WHOLE_NUMBERS = ("frame", "id", "flag", "class")
_LARGEST_WHOLE_NUMBER = 2**53  # beyond it a float64 no longer tells neighbours apart
_LARGEST_PIXEL = 1e9  # areas stay far from overflow


def read_table(path: Path, columns: Sequence[str], num_frames: int | None) -> np.ndarray:
    """Read the leading columns of a file of comma-separated numbers.

    The fast reader knows no lines, so a file in which it meets a mistake is read again, line by line.

    Args:
        path: the file; blank lines are skipped.
        columns: their names, which decide what values are right; `frame` comes first, and `id`, if there are any,
            second.
        num_frames: the highest frame, if it is known.

    Returns:
        float64 [N, len(columns)], sorted by the first two columns.

    Raises:
        UserError: with file and line, for a line that is too short, a value that is not a number or out of range, or a
            second box of one id in a frame.
    """
    table = _read_fast(path, columns)
    if table is None or _first_mistake(table, columns, num_frames) is not None:
        table, lines = _read_lines(path, columns)
        mistake = _first_mistake(table, columns, num_frames)
        if mistake is not None:
            row, text = mistake
            raise UserError(f"{path}:{lines[row]}: {text}")
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def first_line(path: Path) -> tuple[int, int]:
    """Number of the first line that is not blank and of its columns; (0, 0) where there is none.

    Raises:
        UserError: the file is missing or cannot be read.
    """
    with _open(path, errors="replace") as file:
        return next(((line, len(text.split(","))) for line, text in enumerate(file, start=1) if text.strip()), (0, 0))


def _read_fast(path: Path, columns: Sequence[str]) -> np.ndarray | None:
    """All rows, or None where something is not as simple as it could be."""
    if first_line(path)[1] == 0:
        return np.empty((0, len(columns)))
    with _open(path) as file:
        try:
            return np.loadtxt(file, delimiter=",", comments=None, usecols=range(len(columns)), ndmin=2)
        except ValueError:
            return None


def _read_lines(path: Path, columns: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """All rows and their line numbers.

    Raises:
        UserError: a line that is too short or has something other than a number.
    """
    rows, lines = [], []
    with _open(path, errors="replace") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            fields = text.split(",")
            if len(fields) < len(columns):
                raise UserError(
                    f"{path}:{line}: {len(fields)} columns, expected at least {len(columns)} separated by commas:"
                    f" {', '.join(columns)}"
                )
            rows.append([_number(field, name, f"{path}:{line}") for name, field in zip(columns, fields, strict=False)])
            lines.append(line)
    return np.array(rows).reshape(len(rows), len(columns)), lines


def _number(field: str, name: str, where: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise UserError(f"{where}: {name} is {field.strip()[:40]!r}, expected a number") from None


def _first_mistake(table: np.ndarray, columns: Sequence[str], num_frames: int | None) -> tuple[int, str] | None:
    """Row of the first value out of range or second box of one id in a frame, and what is wrong with it."""
    mistakes = []
    for name, values in zip(columns, table.T, strict=True):
        lowest, highest, expected = _range(name, num_frames)
        wrong = ~((values >= lowest) & (values <= highest))
        if name in _WHOLE_NUMBERS:
            wrong |= values != np.floor(values)
        if wrong.any():
            row = int(wrong.argmax())
            mistakes.append((row, f"{name} is {values[row]:.15g}, expected {expected}"))
    order = np.lexsort((table[:, 1], table[:, 0]))
    repeated = order[1:][(table[order[1:], :2] == table[order[:-1], :2]).all(axis=1)]
    if len(repeated) and "id" in columns:
        row = int(repeated.min())
        frame, identity = table[row, :2]
        mistakes.append((row, f"a second box of id {identity:.15g} in frame {frame:.15g}, expected one; remove it"))
    return min(mistakes, default=None)


def _range(name: str, num_frames: int | None) -> tuple[float, float, str]:
    """Lowest and highest value of a column, and both in words."""
    if name == "frame":
        if num_frames is None:
            return 1, _LARGEST_WHOLE_NUMBER, "a whole number from 1"
        return 1, num_frames, f"a whole number from 1 to {num_frames}, the sequence's length"
    if name == "id":
        return 0, _LARGEST_WHOLE_NUMBER, "a whole number from 0"
    if name in ("x", "y"):
        return -_LARGEST_PIXEL, _LARGEST_PIXEL, f"pixels within {_LARGEST_PIXEL:g} of the origin"
    if name in ("width", "height"):
        return float(np.nextafter(0, 1)), _LARGEST_PIXEL, f"pixels above 0 and up to {_LARGEST_PIXEL:g}"
    if name == "class":
        return 1, 13, "a MOTChallenge class, a whole number from 1 to 13"
    if name == "flag":
        return -_LARGEST_WHOLE_NUMBER, _LARGEST_WHOLE_NUMBER, "a whole number, 0 for rows that are not evaluated"
    return -np.finfo(np.float64).max, np.finfo(np.float64).max, "a finite number"


def _open(path: Path, errors: str = "strict") -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", errors=errors)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
