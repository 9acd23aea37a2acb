"""Folders for Ray's own files: one for each driver, and the removal of those whose drivers were killed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "study-ray-"
_FRESH_SECONDS = 10.0
"""A younger folder may not be locked by its owner yet."""
_LONGEST_PLACE = 20
"""Characters of the temporary folder's path: Ray keeps sockets below it, whose paths end at 107."""


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A temporary folder, and the removal of abandoned ones."""
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
    try:
        with FileLock(folder / "lock"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        remove_abandoned()  # also those that were too fresh at the start


def remove_abandoned() -> None:
    """Remove the folders of drivers that were killed."""
    for other in _place().glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            if time.time() - other.stat().st_mtime > _FRESH_SECONDS:
                with FileLock(other / "lock", timeout=0):
                    shutil.rmtree(other, ignore_errors=True)


def _place() -> Path:
    place = Path(tempfile.gettempdir())
    return place if len(str(place)) <= _LONGEST_PLACE else Path("/tmp")
