"""Sequences on disk in MOTChallenge layout (MOT15, MOT16, MOT17, MOT20): read, checked, hashed.

SEQUENCE/seqinfo.ini    [Sequence] with imDir, frameRate, seqLength, imWidth, imHeight, imExt
SEQUENCE/img1/000001.jpg ...
SEQUENCE/gt/gt.txt      absent where nothing is annotated
"""

import configparser
import hashlib
import math
import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from study.data.images import check_image
from study.errors import UserError
from study.motfile import GroundTruth, read_ground_truth

Number = TypeVar("Number", int, float)

_EXPECTED = {
    "imDir": "the folder of the images, such as img1",
    "frameRate": "frames per second, a number above 0",
    "seqLength": "the number of frames, an integer above 0",
    "imWidth": "pixels, an integer above 0",
    "imHeight": "pixels, an integer above 0",
    "imExt": "the images' extension, such as .jpg",
}


@dataclass(frozen=True, eq=False)
class Sequence:
    """A video as a folder of images, with its ground truth if there is one.

    Attributes:
        name: the folder's name, by which selections and result files call it.
        folder: where it lies.
        image_paths: frame f (1-based) is `image_paths[f - 1]`.
        frame_rate: frames per second.
        image_size: width, height in pixels, of seqinfo.ini.
        ground_truth: rows of gt/gt.txt; None where the file is absent.
    """

    name: str
    folder: Path
    image_paths: tuple[Path, ...]
    frame_rate: float
    image_size: tuple[int, int]
    ground_truth: GroundTruth | None

    @property
    def num_frames(self) -> int:
        """Length of the sequence."""
        return len(self.image_paths)

    @cached_property
    def image_digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each image file's bytes, in order; reads every file once, and keeps the result with the object.

        Raises:
            UserError: an image that cannot be identified, or whose size is not `image_size`.
        """
        digests = []
        for path in self.image_paths:
            content = read_image_file(path)
            check_image(path, content, self.image_size)
            digests.append(hashlib.sha256(content).digest())
        return tuple(digests)

    def require_ground_truth(self) -> GroundTruth:
        """Ground truth of a sequence that cannot do without.

        Raises:
            UserError: there is no gt/gt.txt.
        """
        if self.ground_truth is None:
            raise UserError(
                f"{self.folder / 'gt' / 'gt.txt'}: no such file; training and evaluation need the ground truth of"
                f" {self.name}; add it, or select a sequence that is annotated"
            )
        return self.ground_truth


def read_sequence(folder: Path) -> Sequence:
    """Read one sequence: its description, the list of its images and its ground truth; no image is opened.

    Args:
        folder: holds seqinfo.ini, the images' folder and, if annotated, gt/gt.txt.

    Raises:
        UserError: a folder, key or image that is missing, left over or wrong, or a wrong line of gt.txt; with its path.
    """
    try:
        return _read_sequence(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot be read ({error.strerror}); expected a MOTChallenge sequence"
        ) from None


def read_image_file(path: Path) -> bytes:
    """Bytes of an image file.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the image ({error.strerror}); restore the file") from None


def _read_sequence(folder: Path) -> Sequence:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected a sequence in MOTChallenge layout")
    path = folder / "seqinfo.ini"
    info = _read_seqinfo(path)
    length = _positive(info, "seqLength", int, path)
    image_paths = _list_images(folder / _text(info, "imDir", path), _text(info, "imExt", path), length)
    frame_rate = _positive(info, "frameRate", float, path)
    image_size = (_positive(info, "imWidth", int, path), _positive(info, "imHeight", int, path))
    name = Path(os.path.abspath(folder)).name
    gt_path = folder / "gt" / "gt.txt"
    ground_truth = read_ground_truth(gt_path, sequence=name, num_frames=length) if gt_path.exists() else None
    return Sequence(name, folder, image_paths, frame_rate, image_size, ground_truth)


def _read_seqinfo(path: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        found = ", ".join(sorted(entry.name for entry in path.parent.iterdir())[:8]) or "an empty folder"
        raise UserError(
            f"{path}: no such file; expected a MOTChallenge sequence (seqinfo.ini, img1, gt/gt.txt), found {found}"
        ) from None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise UserError(
            f"{path}: cannot be read as a [Sequence] section of key=value lines: {' '.join(str(error).split())}"
        ) from None
    if not parser.has_section("Sequence"):
        found = ", ".join(f"[{name}]" for name in parser.sections()) or "none"
        raise UserError(f"{path}: expected a section [Sequence], found {found}")
    return parser["Sequence"]


def _text(info: configparser.SectionProxy, key: str, path: Path) -> str:
    text = info.get(key, "").strip()
    if not text:
        raise UserError(f"{path}: [Sequence] has no {key}; add it: {_EXPECTED[key]}")
    return text


def _positive(info: configparser.SectionProxy, key: str, kind: type[Number], path: Path) -> Number:
    text = _text(info, key, path)
    try:
        number = kind(text)
        valid = number > 0 and math.isfinite(number)
    except (ValueError, OverflowError):
        valid = False
    if not valid:
        raise UserError(f"{path}: {key}: expected {_EXPECTED[key]}, found {text!r}; correct it")
    return number


def _list_images(folder: Path, extension: str, length: int) -> tuple[Path, ...]:
    """Images of frames 1 to `length`, in order; each number must be there once, and no other."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected the images there (imDir of seqinfo.ini)")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    images = [path for path in files if path.suffix == extension]
    if not images:
        kinds = Counter(path.suffix or "files without extension" for path in files)
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5)) or "an empty folder"
        raise UserError(f"{folder}: expected {extension} images (imExt of seqinfo.ini), found {found}; correct imExt")
    paths: dict[int, Path] = {}
    for path in images:
        if not (path.stem.isascii() and path.stem.isdigit()):
            raise UserError(f"{path}: expected a frame number as name, such as 000001{extension}; move the file away")
        other = paths.setdefault(int(path.stem), path)
        if other is not path:
            raise UserError(f"{path}: a second image of frame {int(path.stem)}, beside {other.name}; remove one")
    missing = _missing(sorted(paths), length)
    left_over = [str(frame) for frame in sorted(paths) if not 1 <= frame <= length]
    if missing or left_over:
        told = [
            f"{what}: {_shortened(frames)}"
            for what, frames in (("missing", missing), ("left over", left_over))
            if frames
        ]
        raise UserError(
            f"{folder}: expected frames 1-{length} (seqLength of seqinfo.ini), found {len(paths)} images;"
            f" {'; '.join(told)}; correct seqLength or the images"
        )
    return tuple(paths[frame] for frame in range(1, length + 1))


def _missing(frames: list[int], length: int) -> list[str]:
    """Ranges of 1 to `length` without an image. The length may be a typing error, so it is never enumerated."""
    edges = [0, *(frame for frame in frames if 1 <= frame <= length), length + 1]
    gaps = [(before + 1, after - 1) for before, after in pairwise(edges) if after - before > 1]
    return [str(first) if first == last else f"{first}-{last}" for first, last in gaps]


def _shortened(parts: list[str]) -> str:
    return ", ".join(parts[:5]) + (f" and {len(parts) - 5} more" if len(parts) > 5 else "")
