"""MOTChallenge text files: ground truth in, tracks in and out, mistakes named by file and line.

Every room may import this module; it knows lines of text, not sequences on disk (`study.data.motchallenge` does).
"""

import configparser
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from study.errors import UserError
from study.mottable import first_line, read_table

Format = Literal["MOT15", "MOT16", "MOT17", "MOT20"]

_LONGEST = 1_000_000
"""Frames of a sequence whose length no seqinfo.ini tells: nine hours of video."""

_BOX_COLUMNS = ("frame", "id", "x", "y", "width", "height")
_GROUND_TRUTH_COLUMNS = (*_BOX_COLUMNS, "flag", "class", "visibility")
_TRACK_COLUMNS = (*_BOX_COLUMNS, "score")


@dataclass(frozen=True)
class GroundTruth:
    """Rows of a gt.txt, sorted by (frame, id).

    Attributes:
        frames: int64 [N], 1-based.
        ids: int64 [N].
        boxes_xyxy: float64 [N, 4], pixels; may reach outside the image.
        flags: int64 [N]; 0 means the row is not evaluated.
        classes: int64 [N]; 1 (pedestrian) throughout for MOT15, which has no classes.
        visibility: float64 [N], 0-1; 1 throughout for MOT15.
        format: decides what preprocessing the evaluation does.
        num_frames: length of the sequence; frames without any row count.
    """

    frames: np.ndarray
    ids: np.ndarray
    boxes_xyxy: np.ndarray
    flags: np.ndarray
    classes: np.ndarray
    visibility: np.ndarray
    format: Format
    num_frames: int

    @property
    def evaluated(self) -> np.ndarray:
        """Bool [N]: rows that count as objects to find (flag not 0, class 1)."""
        return (self.flags != 0) & (self.classes == 1)

    def restricted(self, first: int, last: int) -> "GroundTruth":
        """Rows of frames `first` to `last` (inclusive, 1-based), renumbered so that `first` becomes frame 1.

        Raises:
            UserError: a range that is empty or reaches outside the sequence.
        """
        if not 1 <= first <= last <= self.num_frames:
            raise UserError(f"frames {first}-{last}: expected an inclusive range within 1-{self.num_frames}")
        kept = (self.frames >= first) & (self.frames <= last)
        return replace(
            self,
            frames=self.frames[kept] - first + 1,
            ids=self.ids[kept],
            boxes_xyxy=self.boxes_xyxy[kept],
            flags=self.flags[kept],
            classes=self.classes[kept],
            visibility=self.visibility[kept],
            num_frames=last - first + 1,
        )


@dataclass(frozen=True)
class Tracks:
    """A tracker's output on one sequence, sorted by (frame, id).

    Attributes:
        frames: int64 [N], 1-based.
        ids: int64 [N], > 0.
        boxes_xyxy: float64 [N, 4], pixels of the original images.
        scores: float64 [N].
    """

    frames: np.ndarray
    ids: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class DetectionTable:
    """Detections of one sequence, sorted by frame.

    Attributes:
        frames: int64 [N], 1-based.
        boxes_xyxy: float64 [N, 4], pixels of the original images.
        scores: float64 [N], of any scale.
        num_frames: length of the sequence; frames without any row count.
    """

    frames: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray
    num_frames: int


def detect_format(name: str, columns: int) -> Format:
    """Tell which benchmark a gt.txt is of.

    Args:
        name: the sequence's name, for example `MOT17-09`.
        columns: number of columns of its gt.txt; 10 means MOT15, whatever the name.

    Returns:
        With 9 columns the benchmark that the name begins with, and MOT17 for any other name.

    Raises:
        UserError: fewer than 9 columns.
    """
    if columns < 9:
        raise UserError(f"{name}: {columns} columns of ground truth, expected 9 (MOT16, 17, 20) or 10 (MOT15)")
    if columns >= 10 or name.startswith("MOT15"):
        return "MOT15"
    if name.startswith("MOT20"):
        return "MOT20"
    return "MOT16" if name.startswith("MOT16") else "MOT17"


def read_ground_truth(
    path: Path, *, sequence: str, num_frames: int | None = None, format: Format | None = None
) -> GroundTruth:
    """Read a gt.txt: `frame, id, x, y, width, height, flag`, then `class, visibility` or, for MOT15, world coordinates.

    Args:
        path: the file; blank lines are skipped, an empty file has no rows.
        sequence: its sequence's name, which helps to tell the format.
        num_frames: the sequence's length; by default the largest frame found.
        format: by default what `detect_format` makes of the name and the first line.

    Raises:
        UserError: with file and line, for a line that is too short, a value that is not a number or out of range, or a
            second box of one id in a frame.
    """
    line, found = first_line(path)
    if format is None:
        if 0 < found < 9:
            raise UserError(f"{path}:{line}: {found} columns, expected 9 (MOT16, MOT17, MOT20) or 10 (MOT15)")
        format = detect_format(sequence, found or 9)
    columns = _GROUND_TRUTH_COLUMNS[:7] if format == "MOT15" else _GROUND_TRUTH_COLUMNS
    table = read_table(path, columns, num_frames)
    frames, ids, boxes_xyxy = _boxes(table)
    return GroundTruth(
        frames=frames,
        ids=ids,
        boxes_xyxy=boxes_xyxy,
        flags=table[:, 6].astype(np.int64),
        classes=np.ones_like(ids) if format == "MOT15" else table[:, 7].astype(np.int64),
        visibility=np.ones(len(table)) if format == "MOT15" else table[:, 8],
        format=format,
        num_frames=int(frames.max(initial=0)) if num_frames is None else num_frames,
    )


def read_length(seqinfo: Path) -> int | None:
    """The sequence's length in frames; None where there is no seqinfo.ini."""
    if not seqinfo.exists():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(seqinfo.read_text(encoding="utf-8-sig"))
        length = int(parser["Sequence"]["seqLength"])
    except OSError as error:
        raise UserError(f"{seqinfo}: cannot be read ({error.strerror})") from None
    except (KeyError, ValueError, configparser.Error):
        length = 0
    if length < 1:
        raise UserError(f"{seqinfo}: expected a section [Sequence] with seqLength, a whole number above 0; correct it")
    return length


def read_tracks(path: Path, num_frames: int | None = None) -> Tracks:
    """Read a result file: `frame, id, x, y, width, height`, then a score (1 where there is none) and anything else.

    Args:
        path: the file; blank lines are skipped, an empty file has no tracks.
        num_frames: the sequence's length; by default any frame is taken.

    Raises:
        UserError: as `read_ground_truth`.
    """
    table, scores = _with_scores(path, _TRACK_COLUMNS, num_frames)
    return Tracks(*_boxes(table), scores=scores)


def read_detections(path: Path, num_frames: int | None = None) -> DetectionTable:
    """Read a det.txt: `frame`, anything, `x, y, width, height`, then a score (1 where there is none) and anything else.

    Args:
        path: the file; blank lines are skipped, an empty file has no detections.
        num_frames: the sequence's length; by default any frame is taken.

    Raises:
        UserError: as `read_ground_truth`.
    """
    table, scores = _with_scores(path, ("frame", "(not read)", *_TRACK_COLUMNS[2:]), num_frames)
    frames, _, boxes_xyxy = _boxes(table)
    if frames.max(initial=0) > _LONGEST:
        raise UserError(
            f"{path}: frame {frames.max()}; expected frames counted from 1, at most {_LONGEST:,}: are these times?"
        )
    return DetectionTable(frames, boxes_xyxy, scores, int(frames.max(initial=0)) if num_frames is None else num_frames)


def write_tracks(path: Path, tracks: Tracks) -> None:
    """Write a result file: `frame,id,x,y,width,height,score,-1,-1,-1`, sorted as the tracks are.

    Numbers have nine significant digits, which keeps any float32 apart from its neighbours. The file appears complete
    or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    corners, opposite_corners = tracks.boxes_xyxy[:, :2], tracks.boxes_xyxy[:, 2:]
    table = np.column_stack((tracks.frames, tracks.ids, corners, opposite_corners - corners, tracks.scores))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="ascii", newline="\n") as file:
            np.savetxt(file, table, fmt="%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g,-1,-1,-1")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)


def _with_scores(path: Path, columns: tuple[str, ...], num_frames: int | None) -> tuple[np.ndarray, np.ndarray]:
    """A table whose last column is a score, and the scores: 1 where the file has none."""
    _, found = first_line(path)
    table = read_table(path, columns if found >= len(columns) else columns[:-1], num_frames)
    return table, table[:, 6] if table.shape[1] > 6 else np.ones(len(table))


def _boxes(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, ids and boxes_xyxy of a table's first six columns."""
    corners = table[:, 2:4]
    boxes_xyxy = np.concatenate((corners, corners + table[:, 4:6]), axis=1)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), boxes_xyxy
