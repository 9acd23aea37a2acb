"""Data in an object store, copied to each machine that reads them, once."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from study.config import PRESET, Data
from study.errors import UserError
from study.files import Folder, StoredFile, open_folder
from study.object_store import without_credentials

_CLOSE_SECONDS = 1.0
"""File systems keep times with different precision."""

_AT_A_TIME = 16
"""Files that are copied at once: most are pictures of a few hundred kilobytes."""


def nearby(data: Data, cache_dir: Path) -> Data:
    """The same data below a folder of this machine.

    Sequences that a split names are copied whole from an address such as `s3://bucket/MOT17/train`; of others only the
    folder is made. A file is copied again if its size or its time has changed, and removed if it is gone there.

    Args:
        data: a root that is a folder or a preset is left as it is.
        cache_dir: of this machine; the same path on each gives the same root.

    Raises:
        UserError: the address cannot be read, or the disk not be written.
    """
    if data.root is None or "://" not in data.root:
        return data
    source = open_folder(data.root)
    place = cache_dir / "mirrors" / hashlib.sha256(without_credentials(data.root).encode()).hexdigest()[:16]
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            for name in source.folders():
                (place / name).mkdir(exist_ok=True)
            wanted = {text.partition("[")[0].strip() for text in (*data.train, *data.val, *data.test)}
            for name in sorted(wanted.intersection(source.folders())):
                _copy(source / name, place / name)
    except OSError as error:
        raise UserError(f"data.root: {place}: cannot be written ({error.strerror or error})") from None
    return data.model_copy(update={"root": str(place)})


def provide(data: Data, cache_dir: Path) -> None:
    """Have the data on this machine, as the machine that planned has them: copied, or drawn.

    Raises:
        UserError: as `nearby`, or a preset cannot be drawn.
    """
    from study.data.presets import ensure_drawn

    nearby(data, cache_dir)
    if data.root is not None and data.root.startswith(PRESET):
        ensure_drawn(data.root.removeprefix(PRESET), cache_dir)


def _copy(source: Folder, target: Path) -> None:
    files = source.files()
    for file in files:
        name = Path(file.path)
        if name.is_absolute() or ".." in name.parts:  # a store takes any name; this one would lead out of the folder
            raise UserError(f"data.root: {source}/{file.path}: no name for a file; remove it")
    names = {target / file.path for file in files}
    for path in target.rglob("*"):
        if path.is_file() and path not in names:
            path.unlink()
    missing = [file for file in files if not _is_there(target / file.path, file)]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for _ in pool.map(lambda file: _fetch(source, file, target), missing):
            pass  # raises what a thread raised


def _is_there(path: Path, file: StoredFile) -> bool:
    if not path.is_file():
        return False
    found = path.stat()
    return found.st_size == file.size and abs(found.st_mtime - file.modified) < _CLOSE_SECONDS


def _fetch(source: Folder, file: StoredFile, target: Path) -> None:
    content = source.read(file.path)
    if content is None:
        raise UserError(f"data.root: {source}/{file.path} is gone since it was listed")
    path = target / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.utime(part, (file.modified, file.modified))
    part.replace(path)
