"""Online association of paired detections: chaining through the previous frame, and memory of lost tracks."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt
from scipy.optimize import linear_sum_assignment

from study.boxes import box_iou
from study.frozen import Frozen
from study.tracker.base import FrameTracks

Fraction = Annotated[float, Field(ge=0, le=1)]


class Chaining(Frozen):
    """Thresholds of the association.

    A track is chained to a detection whose box in the *previous* frame overlaps it there; a track that missed frames is
    extrapolated at constant velocity and compared in the current frame.
    """

    start_score: Fraction = 0.5  # a detection that no track explains starts one from this score on
    keep_score: Fraction = 0.3  # a detection may continue a track from this score on
    chain_iou: Fraction = 0.4
    recover_iou: Fraction = 0.3
    max_missed: NonNegativeInt = 10  # consecutive frames after which a lost track is forgotten
    velocity_momentum: Fraction = 0.5
    coast_frames: NonNegativeInt = 0  # a lost track is still reported, extrapolated, for so many frames


@dataclass(frozen=True)
class PairedDetections:
    """Detections of one frame with their boxes in the frame before.

    Attributes:
        boxes_xyxy: float64 [N, 4] in the current frame.
        previous_boxes_xyxy: float64 [N, 4] in the previous frame.
        scores: float64 [N].
    """

    boxes_xyxy: np.ndarray
    previous_boxes_xyxy: np.ndarray
    scores: np.ndarray


@dataclass
class _Track:
    id: int
    box: np.ndarray  # where it was last seen, or is believed to be
    velocity: np.ndarray  # pixels a frame; the centre's, for both corners
    score: float  # of the detection it was last seen by
    missed: int = 0


class Chainer:
    """Assigns identities to the detections of consecutive frames.

    The chained tracker's scheme (Peng et al. 2020, section 3.4) made fully online: the pair is (this frame, the one
    before), so that nothing waits for the next frame; misses are counted consecutively. A lost track moves on with its
    velocity and may be reported for a while (`coast_frames`).
    """

    def __init__(self, config: Chaining) -> None:
        self.config = config
        self._tracks: list[_Track] = []
        self._next_id = 1

    def update(self, detections: PairedDetections) -> FrameTracks:
        """Take the next frame's detections, say where the tracks are; all detections are its candidates."""
        config = self.config
        usable = np.flatnonzero(detections.scores >= min(config.keep_score, config.start_score))

        seen = [track for track in self._tracks if track.missed == 0]
        for track in self._tracks:
            track.missed += 1
        free = self._link(seen, usable, detections.previous_boxes_xyxy, detections, config.chain_iou)
        lost = [track for track in self._tracks if track.missed > 0]
        for track in lost:
            track.box = track.box + track.velocity
        free = self._link(lost, free, detections.boxes_xyxy, detections, config.recover_iou)

        for index in free[detections.scores[free] >= config.start_score]:
            box, score = detections.boxes_xyxy[index], float(detections.scores[index])
            self._tracks.append(_Track(self._next_id, box, _motion(detections, index), score))
            self._next_id += 1
        self._tracks = [track for track in self._tracks if track.missed <= config.max_missed]
        reported = [track for track in self._tracks if track.missed <= config.coast_frames]
        return FrameTracks(
            ids=np.array([track.id for track in reported], dtype=np.int64),
            boxes_xyxy=np.array([track.box for track in reported]).reshape(-1, 4),
            scores=np.array([track.score for track in reported], dtype=np.float64),
            candidate_boxes_xyxy=detections.boxes_xyxy,
            candidate_scores=detections.scores,
        )

    def _link(
        self,
        tracks: list[_Track],
        candidates: np.ndarray,
        compared_boxes: np.ndarray,
        detections: PairedDetections,
        min_iou: float,
    ) -> np.ndarray:
        """Give tracks to candidates by maximum total IoU; returns the candidates left over."""
        if not tracks or not len(candidates):
            return candidates
        overlaps = box_iou(np.stack([track.box for track in tracks]), compared_boxes[candidates])
        rows, columns = linear_sum_assignment(np.where(overlaps >= min_iou, overlaps, 0), maximize=True)
        taken = []
        for row, column in zip(rows, columns, strict=True):
            index = int(candidates[column])
            if overlaps[row, column] < min_iou or detections.scores[index] < self.config.keep_score:
                continue
            track, box = tracks[row], detections.boxes_xyxy[index]
            moved = _motion(detections, index)
            momentum = self.config.velocity_momentum
            track.velocity = momentum * track.velocity + (1 - momentum) * moved
            track.box, track.score, track.missed = box, float(detections.scores[index]), 0
            taken.append(column)
        return np.delete(candidates, taken)


def _motion(detections: PairedDetections, index: int) -> np.ndarray:
    """How the centre moved since the previous frame, for all four coordinates: an extrapolated box keeps its size."""
    x1, y1, x2, y2 = detections.boxes_xyxy[index] - detections.previous_boxes_xyxy[index]
    return np.array([x1 + x2, y1 + y2] * 2) / 2


def soft_nms(
    boxes_xyxy: np.ndarray, scores: np.ndarray, sigma: float, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian soft non-maximum suppression (Bodla et al. 2017, eq. 3 of section 3).

    Args:
        boxes_xyxy: float64 [N, 4].
        scores: float64 [N].
        sigma: width of the Gaussian over IoU.
        min_score: boxes are dropped when their decayed score falls below.

    Returns:
        Indices of the boxes kept, best first, and their decayed scores.
    """
    overlaps = box_iou(boxes_xyxy, boxes_xyxy)
    decayed = scores.astype(np.float64).copy()
    left = decayed >= min_score
    kept = []
    while left.any():
        best = int(np.where(left, decayed, -1).argmax())
        kept.append(best)
        left[best] = False
        decayed[left] *= np.exp(-(overlaps[best, left] ** 2) / sigma)
        left &= decayed >= min_score
    order = np.array(kept, dtype=np.int64)
    return order, decayed[order]
