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
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from study.errors import UserError
from study.results import ResultStore

NAME = "optuna.db"

WAIT_SECONDS = 60.0
"""How long to wait for others that write to the file."""

_ERRORS = (sqlite3.Error, SQLAlchemyError, StorageInternalError)

_UNREADABLE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")
"""Names of SQLite's errors about a file that is none of ours, or none any more; others pass with their reason."""


class Storage:
    """The file and Optuna's access to it. Results in an object store keep a copy there, which is the one that counts.

    Args:
        store: the study's results.

    Raises:
        UserError: the file cannot be read or written.
    """

    def __init__(self, store: ResultStore) -> None:
        self.path = store.local_folder() / NAME
        self.set_aside: Path | None = None
        """Where a file was moved to that could not be read."""
        self._folder = None if store.folder.is_local else store.folder
        if self._folder is not None:
            copy = self._folder.read(NAME)
            for left in self.path.parent.glob(f"{NAME}*"):  # by a driver before, with its journal
                if not left.name.startswith(f"{NAME}.damaged"):
                    left.unlink()
            if copy is not None:
                self.path.write_bytes(copy)
        try:
            if self.path.exists():
                with contextlib.closing(sqlite3.connect(self.path, timeout=WAIT_SECONDS)) as connection:
                    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                        raise RuntimeError
            self.optuna = self._open()
        except (*_ERRORS, RuntimeError) as error:
            # RuntimeError: tables of an Optuna that this one cannot read.
            code = getattr(_cause(error), "sqlite_errorname", "")
            if code and not code.startswith(_UNREADABLE):
                raise self._unusable(error) from None
            self.set_aside = _free_name(self.path)
            self.path.replace(self.set_aside)
            self.optuna = self._open()

    def _open(self) -> RDBStorage:
        with quiet():
            return RDBStorage(f"sqlite:///{self.path}", engine_kwargs={"connect_args": {"timeout": WAIT_SECONDS}})

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Use the file quietly.

        Raises:
            UserError: it cannot be read or written any more.
        """
        with quiet():
            try:
                yield
            except _ERRORS as error:
                raise self._unusable(error) from None

    def _unusable(self, error: BaseException) -> UserError:
        return UserError(f"cannot use {self.path}: {_cause(error)}; make room, or close whatever else has it open")

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


def _cause(error: BaseException) -> BaseException:
    """What SQLite said."""
    return error if error.__cause__ is None else _cause(error.__cause__)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in range(1, 10**6))
    return next(name for name in names if not name.exists())
