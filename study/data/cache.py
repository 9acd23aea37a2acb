"""Frames decoded and resized once, in memory-mapped files that all trials of a node share.

One file holds one whole sequence, also when a study uses a part of it: train, val and test of one video share it.
Its name is a hash of the images' bytes, the size and the way of resizing, so it is never out of date.

A file is a header of 4096 bytes (magic, key, shape, CRC-32 of the rest) and the frames, uint8 [F, height, width, 3]. It
is written under another name, synced and renamed, by whoever holds the lock beside it; its checksum is verified once
in every process that opens it.
"""

import hashlib
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from filelock import FileLock

from study.config import digest
from study.data.clips import Clip
from study.data.images import RESIZE, decode_frame
from study.data.motchallenge import Sequence, read_image_file
from study.errors import UserError

logger = logging.getLogger(__name__)

_HEADER = struct.Struct("<8s16s4II")
_HEADER_BYTES = 4096  # a page: the frames start aligned
_MAGIC = b"LWFRAME1"
_BLOCK_FRAMES = 64  # decoded and not yet written, at most
_VARIABLE = "LOSS_WEIGHTING_CACHE"

_verified: set[tuple[Path, int, int, int]] = set()  # path, inode, bytes, time: files this process has read through


def default_cache_dir() -> Path:
    """Folder of caches: $LOSS_WEIGHTING_CACHE, else loss-weighting-study in $XDG_CACHE_HOME or ~/.cache."""
    if os.environ.get(_VARIABLE):
        return Path(os.environ[_VARIABLE]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loss-weighting-study"


@dataclass(frozen=True)
class FrameCache:
    """Decoded frames of sequences, read-only, by the key of each sequence's file."""

    image_size: tuple[int, int]
    mapped: Mapping[str, np.ndarray]

    @classmethod
    def open(cls, clips: Iterable[Clip], *, image_size: tuple[int, int], cache_dir: Path) -> "FrameCache":
        """Map the frames of the clips' sequences, decoding those that no process has decoded before.

        Args:
            clips: any splits; several may share a sequence.
            image_size: width, height in pixels of the frames.
            cache_dir: the files lie in its folder `frames`.

        Raises:
            UserError: an image that cannot be read or changed meanwhile, or a disk that is full or not writable.
        """
        mapped = {}
        for sequence in {id(clip.sequence): clip.sequence for clip in clips}.values():
            key = _key(sequence, image_size)
            shape = (sequence.num_frames, image_size[1], image_size[0], 3)
            path = cache_dir / "frames" / f"{key}.frames"
            _ensure_decoded(path, key, shape, sequence)
            frames = np.memmap(path, dtype=np.uint8, mode="r", offset=_HEADER_BYTES, shape=shape)
            mapped[key] = frames.view(np.ndarray)
        return cls(image_size, mapped)

    def frames(self, clip: Clip) -> np.ndarray:
        """Frames of one of the opened clips, or of another part of its sequence.

        Returns:
            uint8 [F, height, width, 3], RGB, memory-mapped and not writable.
        """
        return self.mapped[_key(clip.sequence, self.image_size)][clip.first - 1 : clip.last]


def _key(sequence: Sequence, image_size: tuple[int, int]) -> str:
    """Hash of all that decides a file's bytes. Pillow's version is in it: its decoders and filters may change."""
    images = hashlib.sha256(b"".join(sequence.image_digests)).hexdigest()
    return digest([_MAGIC.decode(), images, list(image_size), RESIZE, PIL.__version__])


def _ensure_decoded(path: Path, key: str, shape: tuple[int, ...], sequence: Sequence) -> None:
    if _fault(path, key, shape) is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            fault = _fault(path, key, shape)  # whoever held the lock before may have decoded it
            if fault is None:
                return
            if path.exists():
                logger.warning("%s: %s; decoding %s again", path, fault, sequence.name)
            _decode(path, key, shape, sequence)
    except OSError as error:
        raise UserError(
            f"{path}: cannot write the decoded frames of {sequence.name}, {_file_bytes(shape)} bytes"
            f" ({error.strerror}); make room there, or name another folder in the environment variable {_VARIABLE}"
        ) from None


def _fault(path: Path, key: str, shape: tuple[int, ...]) -> str | None:
    """What is wrong with a file, if anything. Reads it through, without mapping it, unless this process did before."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            identity = (path, status.st_ino, status.st_size, status.st_mtime_ns)
            if identity in _verified:
                return None
            if status.st_size != _file_bytes(shape):
                return f"damaged: {status.st_size} bytes instead of {_file_bytes(shape)}"
            *described, expected_crc = _HEADER.unpack(file.read(_HEADER.size))
            if described != [_MAGIC, key.encode(), *shape]:
                return "damaged: its header does not describe these frames"
            file.seek(_HEADER_BYTES)
            crc = 0
            while block := file.read(1 << 20):
                crc = zlib.crc32(block, crc)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if crc != expected_crc:
        return "damaged: wrong checksum"
    _verified.add(identity)
    return None


def _decode(path: Path, key: str, shape: tuple[int, ...], sequence: Sequence) -> None:
    logger.info("decoding %d frames of %s into %s", sequence.num_frames, sequence.name, path)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _file_bytes(shape))  # a full disk shows now, not minutes later
            file.seek(_HEADER_BYTES)
            crc = 0
            for frame in _decoded_frames(sequence, (shape[2], shape[1])):
                content = frame.tobytes()
                crc = zlib.crc32(content, crc)
                file.write(content)
            file.seek(0)
            file.write(_HEADER.pack(_MAGIC, key.encode(), *shape, crc))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _decoded_frames(sequence: Sequence, image_size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Frames in order, decoded by all cores of this process; memory stays flat, however long the sequence is."""

    def decode(path: Path, expected: bytes) -> np.ndarray:
        content = read_image_file(path)
        if hashlib.sha256(content).digest() != expected:
            raise UserError(f"{path}: the image changed after the study began; start again when the data are at rest")
        return decode_frame(path, content, image_size)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, sequence.num_frames, _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            yield from pool.map(decode, sequence.image_paths[block], sequence.image_digests[block])


def _file_bytes(shape: tuple[int, ...]) -> int:
    return _HEADER_BYTES + int(np.prod(shape, dtype=np.int64))
