import re

import pytest

from study.errors import UserError
from study.imports.sources import read


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name: str = "past.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1,two words\n", "past.csv"),
        ("a;b\r\n1;two words\r\n", "past.CSV"),
        ("a\tb\n1\ttwo words\n", "past.tsv"),
        ("\ufeffa,b\n\n1, two words \n,\n", "past.csv"),
        ('"a","b"\n"1","two words"', "past.csv"),
    ],
)
def test_cells_come_by_their_column_however_a_spreadsheet_separates_them(write, content, name):
    (run,) = read(path := write(content, name))
    assert run.values == {"a": "1", "b": "two words"}
    assert run.file == path
    assert run.name is None
    assert run.series == {}


def test_rows_are_counted_as_a_spreadsheet_does(write):
    path = write('a,b\n1,"two\nlines"\n\n3,4\n')
    assert [run.place("b") for run in read(path)] == [f"{path}, row 2, column 'b'", f"{path}, row 4, column 'b'"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": no rows; expected a header and one row a run"),
        ("a,b\n,\n", ": no rows; expected a header and one row a run"),
        ("a,b\n1,2\n1,2,3\n", ", row 3: 3 cells, expected 2 as in the header"),
        ("a,,c\n1,2,3\n", ": column 2 of the header has no name"),
        ("a,b,a\n1,2,3\n", ": two columns are named 'a'"),
        ("a\n1\n".encode("utf-16"), ": not UTF-8 text (byte 0)"),
        ('a,b\n1,"2\n', ":2: not CSV: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_told_with_its_place(write, content, message):
    path = write(content)
    with pytest.raises(UserError, match=re.escape(f"{path}{message}")):
        read(path)
