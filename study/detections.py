"""Tracks from detections in files, by association alone: no network, no images."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from study.errors import UserError
from study.motfile import Tracks, read_detections, read_length
from study.tracker.association import Association, Associator, Detections
from study.tracking import join_frames

_EXPECTED = "a det.txt, a sequence with det/det.txt, or a folder of such sequences"


@dataclass(frozen=True)
class DetectionFile:
    """Detections of one sequence.

    Attributes:
        name: of the sequence, and of its result file.
        path: of the file.
        num_frames: as seqinfo.ini says, beside `det`; None without one.
    """

    name: str
    path: Path
    num_frames: int | None


def find_detections(path: Path) -> list[DetectionFile]:
    """Detection files of a path, in the order of their names.

    Raises:
        UserError: there is none.
    """
    if path.is_file() and path.suffix != ".txt":
        raise UserError(
            f"{path}: no file of detections: a checkpoint needs FRAMES_OR_VIDEO after it; without one, expected "
            f"{_EXPECTED}"
        )
    if path.is_file():
        return [_found(path)]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder; expected {_EXPECTED}")
    folders = [path] if (path / "det" / "det.txt").is_file() else sorted(path.iterdir())
    files = [_found(folder / "det" / "det.txt") for folder in folders if (folder / "det" / "det.txt").is_file()]
    if not files:
        raise UserError(f"{path}: no detections here; expected {_EXPECTED}")
    return files


def associate(file: DetectionFile, config: Association) -> tuple[Tracks, int, float]:
    """Track one sequence by its detections, online.

    Returns:
        Tracks in the pixels of the detections, number of frames, and seconds of association (not of reading).

    Raises:
        UserError: a wrong line in the file.
    """
    frames = read_frames(file)
    associator = Associator(config)
    start = time.perf_counter()
    found = [associator.update(frame) for frame in frames]
    return join_frames(found), len(frames), time.perf_counter() - start


def read_frames(file: DetectionFile) -> list[Detections]:
    """Detections of every frame of a sequence, in order.

    Raises:
        UserError: a wrong line in the file.
    """
    table = read_detections(file.path, file.num_frames)
    bounds = np.searchsorted(table.frames, np.arange(1, table.num_frames + 2))
    return [Detections(table.boxes_xyxy[first:last], table.scores[first:last]) for first, last in pairwise(bounds)]


def _found(path: Path) -> DetectionFile:
    """A detection file; `SEQUENCE/det/det.txt` is its sequence's, any other has its own name."""
    if path.parent.name != "det":
        return DetectionFile(path.stem, path, None)
    folder = path.parent.parent
    return DetectionFile(folder.resolve().name, path, read_length(folder / "seqinfo.ini"))
