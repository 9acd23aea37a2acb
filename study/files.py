"""Folders on this machine or in an object store, and files that are written whole or not at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs

from study.errors import UserError
from study.object_store import open_store, patiently, reason

T = TypeVar("T")

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too large",
}


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing shows it.

    Attributes:
        path: below the folder that was listed, `checkpoints/0a1b/model.pt`.
        size: bytes.
        modified: when it was last written, seconds since the epoch.
    """

    path: str
    size: int
    modified: float


@dataclass(frozen=True)
class Folder:
    """A place for files. Can be pickled.

    Attributes:
        filesystem: where it is.
        path: within the filesystem; absolute if that is local.
        address: the path if the filesystem is local, else the URI, which may hold credentials; `str` shows it without.
    """

    filesystem: fs.FileSystem
    path: str
    address: str

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def __truediv__(self, name: str) -> "Folder":
        before, query = _split_query(self.address)
        return Folder(self.filesystem, f"{self.path}/{name}", f"{before}/{name}{query}")

    def __str__(self) -> str:
        return self.path if self.is_local else f"{self.address.partition(':')[0]}://{self.path}"

    def create(self) -> None:
        """Make the folder and those above it.

        Raises:
            UserError: it cannot be made or nothing can be written in it.
        """
        try:
            self._ask(lambda: self.filesystem.create_dir(self.path, recursive=True))
        except (OSError, pa.ArrowException) as error:
            raise _unwritable(str(self), error) from None
        if self.is_local and not os.access(self.path, os.W_OK | os.X_OK):
            raise UserError(f"cannot write to {self}: no permission; choose another --results folder")

    def names(self, suffix: str) -> list[str]:
        """Sorted names of the files in this folder that end in `suffix`; none if there is no such folder."""
        return sorted(name for name, kind in self._entries() if kind == fs.FileType.File and name.endswith(suffix))

    def folders(self) -> list[str]:
        """Sorted names of the folders in this folder."""
        return sorted(name for name, kind in self._entries() if kind == fs.FileType.Directory)

    def files(self) -> list[StoredFile]:
        """All files in this folder and the folders below it, by path; also hidden ones, which are being written."""
        found = self._list(recursive=True)
        files = [info for info in found if info.type == fs.FileType.File]
        return sorted(
            (StoredFile(info.path[len(self.path) + 1 :], info.size, info.mtime_ns / 1e9) for info in files),
            key=lambda file: file.path,
        )

    def _entries(self) -> list[tuple[str, fs.FileType]]:
        return [(info.base_name, info.type) for info in self._list() if not info.base_name.startswith(".")]

    def _list(self, *, recursive: bool = False) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=recursive)
        try:
            found: list[fs.FileInfo] = self._ask(lambda: self.filesystem.get_file_info(selector))
        except NotADirectoryError:
            return []
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"cannot read {self}: {reason(error)}") from None
        return found

    def read(self, name: str) -> bytes | None:
        """Content of a file, or None if there is none of this name.

        Raises:
            UserError: it cannot be read.
        """

        def read() -> bytes:
            with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
                content: bytes = stream.read()
                return content

        try:
            return self._ask(read)
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"cannot read {self / name}: {reason(error)}") from None

    def write(self, name: str, data: bytes) -> None:
        """Put a file in place of the one before it; whoever reads sees the old one or the new one, whole.

        On a local disk the file outlives a power failure once this returns: written beside the old one, synchronised,
        renamed. An object store replaces objects whole by itself.

        Raises:
            UserError: the disk is full or cannot be written; what was there before is unchanged.
        """

        def put() -> None:
            with self.filesystem.open_output_stream(f"{self.path}/{name}") as stream:
                stream.write(data)

        try:
            if self.is_local:
                _replace(Path(self.path), name, data)
            else:
                patiently(put)
        except (OSError, pa.ArrowException) as error:
            raise _unwritable(str(self / name), error) from None

    def copy(self, name: str, to: str) -> None:
        """Put a file also in place of another one in this folder; nothing happens if there is none of the first name.

        Raises:
            UserError: as of `write`.
        """
        try:
            if self.is_local:
                _link(Path(self.path), name, to)
            else:
                patiently(lambda: self._copy(f"{self.path}/{name}", f"{self.path}/{to}"))
        except (OSError, pa.ArrowException) as error:
            raise _unwritable(str(self / to), error) from None

    def delete(self, name: str) -> None:
        """Remove a file, and what a killed writer left of it; nothing happens if there is none.

        Raises:
            UserError: it cannot be removed.
        """
        try:
            if self.is_local:
                for leftover in Path(self.path).glob(f".{name}.*.tmp"):
                    leftover.unlink(missing_ok=True)
                Path(self.path, name).unlink(missing_ok=True)
            else:
                patiently(lambda: self._remove(f"{self.path}/{name}"))
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"cannot remove {self / name}: {reason(error)}") from None

    def _remove(self, path: str) -> None:
        if self.filesystem.get_file_info(path).type == fs.FileType.File:
            self.filesystem.delete_file(path)

    def _copy(self, path: str, to: str) -> None:
        if self.filesystem.get_file_info(path).type == fs.FileType.File:
            self.filesystem.copy_file(path, to)

    def _ask(self, call: Callable[[], T]) -> T:
        return call() if self.is_local else patiently(call)

    def remove_empty(self) -> None:
        """Remove this folder if it lies on a disk and nothing is in it."""
        if self.is_local:
            with suppress(OSError):
                Path(self.path).rmdir()


def open_folder(place: str | Path) -> Folder:
    """Folder at a path, or at a URI that pyarrow knows (`s3://bucket/folder`, `gs://bucket/folder`).

    Raises:
        UserError: the URI cannot be understood, or its bucket not be used.
    """
    if "://" not in str(place):
        path = str(Path(place).expanduser().absolute())
        return Folder(fs.LocalFileSystem(), path, path)
    filesystem, path = open_store(str(place))
    if isinstance(filesystem, fs.LocalFileSystem):
        return Folder(filesystem, path, path)
    before, query = _split_query(str(place))
    return Folder(filesystem, path, before.rstrip("/") + query)


def write_file(path: str | Path, data: bytes) -> None:
    """Write one file as `Folder.write` does; its folder is made if need be."""
    before, query = _split_query(str(path))
    folder, _, name = before.rpartition("/")
    open_folder(f"{folder or '.'}{query}").write(name, data)


def _split_query(address: str) -> tuple[str, str]:
    """A URI before its query, and the query with its question mark."""
    before, mark, query = address.partition("?") if "://" in address else (address, "", "")
    return before, mark + query


def _replace(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(folder / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(folder: Path, name: str, to: str) -> None:
    if not (folder / name).exists():
        return
    temporary = folder / f".{to}.{uuid.uuid4().hex}.tmp"
    try:
        try:
            os.link(folder / name, temporary)  # files are replaced as a whole and never changed
        except OSError:  # some shared folders have no links
            shutil.copyfile(folder / name, temporary)
        temporary.replace(folder / to)
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(path: str, error: Exception) -> UserError:
    why = _FULL.get(getattr(error, "errno", None) or 0, reason(error))
    return UserError(
        f"cannot write {path}: {why}; what was written before is kept; make room or choose another --results folder"
    )
