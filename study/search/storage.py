"""The Optuna storage of a study's searches: `optuna.db` in its results, an SQLite file that optuna-dashboard opens.

What it holds beyond the rows is what a sampler needs to go on exactly (suggestions under way, the state of CMA-ES).
If it is lost or damaged, a search is filled again from the rows.
"""

import contextlib
import logging
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from study.errors import UserError
from study.results import ResultStore

NAME = "optuna.db"


class Storage:
    """The file and Optuna's access to it. Results in an object store keep a copy there, which is the one that counts.

    Args:
        store: the study's results.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, store: ResultStore) -> None:
        self.path = store.local_folder() / NAME
        self.set_aside: Path | None = None
        """Where a damaged file was moved to."""
        self._folder = None if store.folder.is_local else store.folder
        if self._folder is not None and (copy := self._folder.read(NAME)) is not None:
            self.path.write_bytes(copy)
        if not _is_sound(self.path):
            self.set_aside = _free_name(self.path)
            self.path.replace(self.set_aside)
        try:
            self.optuna = self._open()
        except (SQLAlchemyError, RuntimeError) as error:
            # RuntimeError: tables of an Optuna that this one cannot read.
            if not self.path.exists():
                raise UserError(f"cannot write {self.path}: {str(error).splitlines()[0]}") from None
            self.set_aside = _free_name(self.path)
            self.path.replace(self.set_aside)
            self.optuna = self._open()

    def _open(self) -> RDBStorage:
        with quiet():
            return RDBStorage(f"sqlite:///{self.path}", engine_kwargs={"connect_args": {"timeout": 60}})

    def save(self) -> None:
        """Bring the copy up to date."""
        if self._folder is not None:
            with contextlib.closing(sqlite3.connect(self.path)) as source:
                self._folder.write(NAME, source.serialize())

    def close(self) -> None:
        """Let go of the file."""
        self.optuna.remove_session()
        self.optuna.engine.dispose()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log lines and its warnings about samplers that are called experimental."""
    logger = logging.getLogger("optuna")
    level = logger.level
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            yield
        finally:
            logger.setLevel(level)


def _is_sound(path: Path) -> bool:
    """Whether a file can be used, or there is none."""
    if not path.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in range(1, 10**6))
    return next(name for name in names if not name.exists())
