"""Past runs in a CSV file: a header with names, then one row a run."""

import csv
import io
from pathlib import Path

from study.errors import UserError
from study.imports.runs import Run

SUFFIXES = (".csv", ".tsv")

_DELIMITERS = ",;\t"


def read(path: Path) -> list[Run]:
    """The runs of a file whose cells are separated by commas, semicolons or tabs, whichever the header has most of.

    Rows are counted as a spreadsheet does: the header is row 1.

    Raises:
        UserError: not UTF-8 text, no rows, a column without a name or with another's, a row of another length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as CSV in UTF-8") from None
    first_line = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = list(reader)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    header = [name.strip() for name in lines[0]] if lines else []
    _check_header(path, header)
    runs = []
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise UserError(f"{path}, row {number}: {len(cells)} cells, expected {len(header)} as in the header")
        values = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        runs.append(Run(str(path), f"{path}, row {number}", "column", str(path.absolute()), None, values))
    if not runs:
        raise UserError(f"{path}: no rows; expected a header and one row a run")
    return runs


def _check_header(path: Path, header: list[str]) -> None:
    for number, name in enumerate(header, start=1):
        if not name:
            raise UserError(f"{path}: column {number} of the header has no name; give it one, or remove the column")
        if header.index(name) != number - 1:
            raise UserError(f"{path}: two columns are named {name!r}; rename or remove one")
