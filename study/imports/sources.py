"""Which reader a file or folder needs."""

from pathlib import Path

from study.errors import UserError
from study.imports import csv_file, event_files, mlruns
from study.imports.runs import Run

_EXPECTED = "expected a .csv file, TensorBoard's event files, or a folder of them, or an MLflow file store (mlruns)"


def read(place: str) -> list[Run]:
    """All runs of a CSV file, an event file, a folder of event files, or an MLflow file store.

    Raises:
        UserError: there is nothing that can be read, or a mistake in it (with its place).
    """
    path = Path(place).expanduser()
    try:
        if mlruns.is_store(path):
            return mlruns.read(path)
        if event_files.find(path):
            return event_files.read(path)
        if path.is_file() and path.suffix.lower() in csv_file.SUFFIXES:
            return csv_file.read(path)
    except OSError as error:
        raise UserError(f"{error.filename or place}: cannot be read: {error.strerror or error}") from None
    if "://" in place:
        raise UserError(f"{place}: past runs are read from this machine; copy them here first")
    if not path.exists():
        raise UserError(f"{place}: no such file or folder")
    if path.suffix.lower() in (".db", ".sqlite"):
        raise UserError(f"{place}: a database; export MLflow's with 'mlflow experiments csv' and import that file")
    raise UserError(f"{place}: no runs here; {_EXPECTED}")
