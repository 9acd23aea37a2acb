"""MOTChallenge preprocessing: which boxes are compared, and how much they overlap.

Protocol of the MOTChallenge development kit, as in TrackEval 1.3.0 `MotChallenge2DBox.get_preprocessed_seq_data`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from study.boxes import box_iou
from study.motfile import Format, GroundTruth, Tracks

IOU_THRESHOLD = 0.5
_EPSILON = np.finfo(np.float64).eps
_DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
_MOT20_DISTRACTORS = (*_DISTRACTORS, 6)  # non-motorised vehicle


@dataclass(frozen=True)
class Overlaps:
    """What is left to compare in the F frames that have any box, in order.

    Objects are the identities of the ground truth, numbered from 0 without gaps; so are tracks.

    Attributes:
        objects: per frame, int64 [G]: the object of each box of the ground truth.
        tracks: per frame, int64 [R]: the track of each box of the result.
        ious: per frame, float64 [G, R]: intersection over union of the boxes, 0-1.
        num_objects: objects of the sequence.
        num_tracks: tracks of the sequence.
    """

    objects: list[np.ndarray]
    tracks: list[np.ndarray]
    ious: list[np.ndarray]
    num_objects: int
    num_tracks: int

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return zip(self.objects, self.tracks, self.ious, strict=True)

    @property
    def num_object_boxes(self) -> int:
        """Boxes of the ground truth."""
        return sum(map(len, self.objects))

    @property
    def num_track_boxes(self) -> int:
        """Boxes of the result."""
        return sum(map(len, self.tracks))


def preprocess(ground_truth: GroundTruth, tracks: Tracks) -> Overlaps:
    """Drop the boxes that do not count, and measure the overlap of the others.

    Where the format has classes, each frame's result is matched to all of its ground truth, and boxes matched to a
    distractor are dropped. Then all ground truth that is not `evaluated` is dropped. MOT15 has no classes.
    """
    assert _is_sorted(ground_truth.frames, ground_truth.ids), "ground truth is not sorted by (frame, id), each once"
    assert _is_sorted(tracks.frames, tracks.ids), "tracks are not sorted by (frame, id), each once"
    frames = np.union1d(ground_truth.frames, tracks.frames)
    evaluated = ground_truth.evaluated
    kept = np.ones(len(tracks.frames), dtype=bool)
    ious = []
    for truth, result in zip(_slices(ground_truth.frames, frames), _slices(tracks.frames, frames), strict=True):
        iou = box_iou(ground_truth.boxes_xyxy[truth], tracks.boxes_xyxy[result])
        kept[result] = ~_on_distractor(iou, ground_truth.classes[truth], ground_truth.format)
        ious.append(iou[np.ix_(evaluated[truth], kept[result])])
    objects, num_objects = _renumbered(ground_truth.frames[evaluated], ground_truth.ids[evaluated], frames)
    track_numbers, num_tracks = _renumbered(tracks.frames[kept], tracks.ids[kept], frames)
    return Overlaps(objects, track_numbers, ious, num_objects, num_tracks)


def match(iou: np.ndarray, preferred: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Match rows to columns at an overlap of at least `IOU_THRESHOLD`: the largest total overlap, by Hungarian method.

    Args:
        iou: [G, R].
        preferred: bool [G, R]; as many of these pairs as possible are matched, whatever the overlap of others.

    Returns:
        Rows and columns of the matched pairs.
    """
    scores = iou if preferred is None else 1000 * preferred + iou
    scores = np.where(iou < IOU_THRESHOLD - _EPSILON, 0, scores)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    matched = scores[rows, columns] > 0
    return rows[matched], columns[matched]


def _on_distractor(iou: np.ndarray, classes: np.ndarray, format: Format) -> np.ndarray:
    """Bool [R]: result boxes matched to a distractor."""
    dropped = np.zeros(iou.shape[1], dtype=bool)
    if format != "MOT15":
        rows, columns = match(iou)
        dropped[columns] = np.isin(classes[rows], _MOT20_DISTRACTORS if format == "MOT20" else _DISTRACTORS)
    return dropped


def _slices(sorted_frames: np.ndarray, frames: np.ndarray) -> list[slice]:
    """Rows of each of `frames`."""
    starts = np.searchsorted(sorted_frames, frames, side="left")
    ends = np.searchsorted(sorted_frames, frames, side="right")
    return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


def _renumbered(sorted_frames: np.ndarray, ids: np.ndarray, frames: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Ids of each of `frames`, numbered from 0 without gaps, and how many there are."""
    known, numbers = np.unique(ids, return_inverse=True)
    return [numbers[rows] for rows in _slices(sorted_frames, frames)], len(known)


def _is_sorted(frames: np.ndarray, ids: np.ndarray) -> bool:
    later = np.diff(frames) > 0
    return bool((later | ((np.diff(frames) == 0) & (np.diff(ids) > 0))).all())
