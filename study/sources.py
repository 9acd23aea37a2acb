"""What can be tracked: sequences, folders of images and video files, read one frame at a time."""

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from study.data import read_sequence
from study.data.images import decode_frame, resize_frame
from study.data.motchallenge import read_image_file
from study.errors import UserError
from study.video import probe, read_video

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
DEFAULT_FRAME_RATE = 25.0
"""Frames per second of images that no seqinfo.ini describes; only a drawn video depends on it."""

_EXPECTED = "a video, a folder of images, a MOTChallenge sequence or a folder of sequences"


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes:
        resized: uint8 [height, width, 3], RGB, at the network's size, made as in training.
        picture: gives the whole frame, RGB, at its original size.
    """

    resized: np.ndarray
    picture: Callable[[], Image.Image]


@dataclass(frozen=True)
class Source:
    """One sequence of frames.

    Attributes:
        name: of its result file.
        path: file or folder.
        image_size: width, height in pixels; of a video, as it is shown.
        frame_rate: frames per second.
        num_frames: None where a video does not tell.
        image_paths: frame f (1-based) is `image_paths[f - 1]`; None for a video.
    """

    name: str
    path: Path
    image_size: tuple[int, int]
    frame_rate: float
    num_frames: int | None
    image_paths: tuple[Path, ...] | None = None

    def frames(self, image_size: tuple[int, int]) -> Iterator[Frame]:
        """Read frame after frame; nothing of those before is kept.

        Args:
            image_size: width, height in pixels of the network's input.

        Raises:
            UserError: a frame that cannot be read, or whose size is not the source's.
        """
        return self._of_video(image_size) if self.image_paths is None else self._of_images(image_size)

    def _of_images(self, image_size: tuple[int, int]) -> Iterator[Frame]:
        for path in self.image_paths or ():
            content = read_image_file(path)
            resized = decode_frame(path, content, image_size)
            with Image.open(io.BytesIO(content)) as image:
                self._check_size(str(path), image.size)
            yield Frame(resized, partial(_decoded, content))

    def _of_video(self, image_size: tuple[int, int]) -> Iterator[Frame]:
        for number, image in enumerate(read_video(self.path), start=1):
            self._check_size(f"{self.path}: frame {number}", image.size)
            yield Frame(resize_frame(image, image_size), image.copy)

    def _check_size(self, where: str, size: tuple[int, int]) -> None:
        if size != self.image_size:
            raise UserError(
                f"{where}: {size[0]} x {size[1]} pixels, expected {self.image_size[0]} x {self.image_size[1]}"
                f" ({self._size_from()}); a sequence has frames of one size"
            )

    def _size_from(self) -> str:
        if self.image_paths is None:
            return "as frame 1"
        return "as in seqinfo.ini" if (self.path / "seqinfo.ini").is_file() else f"as {self.image_paths[0].name}"


def find_sources(path: Path) -> list[Source]:
    """Sequences at a path, by name.

    Args:
        path: a video; or a folder: with seqinfo.ini, with images in it or in its `img1`, or of such folders. Images
            that no seqinfo.ini describes are taken in natural order of their names and numbered from 1.

    Raises:
        UserError: nothing there that could be tracked, or a sequence that contradicts its seqinfo.ini.
    """
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; expected {_EXPECTED}")
        if not path.is_dir():
            image_size, frame_rate, num_frames = probe(path)
            return [Source(path.stem, path, image_size, frame_rate, num_frames)]
        folders = [path] if _is_sequence(path) else [folder for folder in _listed(path) if _is_sequence(folder)]
        if not folders:
            kinds = Counter(f"{p.suffix} files" if p.is_file() else "folders" for p in _listed(path))
            found = ", ".join(f"{count} {kind.strip()}" for kind, count in kinds.most_common(5)) or "an empty folder"
            raise UserError(f"{path}: no images; expected {_EXPECTED}, found {found}")
        return [_sequence(folder) for folder in folders]
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _sequence(folder: Path) -> Source:
    if (folder / "seqinfo.ini").is_file():
        sequence = read_sequence(folder)
        size, count = sequence.image_size, sequence.num_frames
        return Source(sequence.name, folder, size, sequence.frame_rate, count, sequence.image_paths)
    image_paths = tuple(sorted(_images(folder) or _images(folder / "img1"), key=_natural))
    absolute = Path(os.path.abspath(folder))
    name = absolute.parent.name if absolute.name == "img1" else absolute.name
    return Source(name, folder, _size(image_paths[0]), DEFAULT_FRAME_RATE, len(image_paths), image_paths)


def _size(path: Path) -> tuple[int, int]:
    """Width, height in pixels of an image file."""
    content = read_image_file(path)
    decode_frame(path, content, (1, 1))  # tells what is wrong with a file that is no image
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def _decoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _is_sequence(path: Path) -> bool:
    if not path.is_dir():
        return False
    return (path / "seqinfo.ini").is_file() or bool(_images(path) or _images(path / "img1"))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in _listed(folder) if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder, hidden files aside, by name."""
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts frame2 before frame10: numbers by value, everything else by letters."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]
