"""The rows of a study that a command line names."""

from pathlib import Path

import pandas as pd

from study.errors import UserError
from study.files import open_folder
from study.results import load, stored_studies


def load_named(name: str, results: str) -> pd.DataFrame:
    """Rows of a study by the path or address of its folder, or by its name in a results folder.

    Raises:
        UserError: there is none.
    """
    if "/" in name or Path(name).is_dir():
        return load(name)
    root = open_folder(results)
    if name not in stored_studies(results):
        raise UserError(f"{name}: neither a folder nor a study in {root}; give a path, or --results")
    return load((root / name).address)
