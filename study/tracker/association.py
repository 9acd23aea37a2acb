"""Online association of detections by motion, appearance and overlap, with a memory of lost tracks.

The scheme of JDE and FairMOT (Wang et al. 2020, "Towards Real-Time Multi-Object Tracking"; Zhang et al. 2021,
"FairMOT", section 4.3), whose first stage is Deep SORT's cost (Wojke et al. 2017, equations 1 to 5) without its
cascade. Works on detections of any origin: without embeddings the first stage compares overlaps instead, as SORT does.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from scipy.optimize import linear_sum_assignment

from study.boxes import box_iou
from study.frozen import Frozen
from study.tracker.base import FrameTracks
from study.tracker.kalman import GATE, Motions, measure

Fraction = Annotated[float, Field(ge=0, le=1)]


class Association(Frozen):
    """Thresholds of the association; the defaults are those of JDE, FairMOT and CL-MOT where they agree."""

    start_score: float = 0.5  # a detection that no track explains starts one from this score on
    keep_score: float = 0.3  # a detection may continue a track from this score on
    appearance: Fraction = 0.98  # share of the cosine distance in the first stage's cost; the rest is Mahalanobis
    max_cost: PositiveFloat = 0.7  # of the first stage
    iou: Fraction = 0.5  # of the second stage, and of the first one without embeddings
    unconfirmed_iou: Fraction = 0.3  # of tracks that were seen too seldom to be reported
    confirm_after: PositiveInt = 2  # detections in a row until a track is reported; at once in the first frame
    max_missed: NonNegativeInt = 30  # consecutive frames after which a lost track is forgotten
    coast_frames: NonNegativeInt = 0  # a lost track is still reported, where the filter expects it, for so many frames
    embedding_momentum: Fraction = 0.9  # of the track's own embedding
    report: Literal["detection", "filtered"] = "detection"  # boxes as they were detected, or as the filter has them

    @classmethod
    def sort(cls, **changes: Any) -> "Association":
        """SORT's: overlaps of 0.3 with where the filter expects a track (Bewley et al. 2016, section 3.3).

        Deviation: lost tracks are kept for `max_missed` frames, not one, within the Mahalanobis gate.
        """
        return cls(**({"iou": 0.3, "unconfirmed_iou": 0.3} | changes))

    @classmethod
    def deep_sort(cls, **changes: Any) -> "Association":
        """Deep SORT's: appearance alone within the Mahalanobis gate, three detections in a row until a track counts.

        Wojke et al. 2017, section 2, with the settings of its public code. Deviations: one running embedding a track,
        not the last hundred; all ages are matched together, not the youngest first.
        """
        settings: dict[str, Any] = {
            "appearance": 1.0,
            "max_cost": 0.2,
            "iou": 0.3,
            "unconfirmed_iou": 0.3,
            "confirm_after": 3,
            "max_missed": 30,
            "report": "filtered",
        }
        return cls(**(settings | changes))


@dataclass(frozen=True)
class Detections:
    """Detections of one frame.

    Attributes:
        boxes_xyxy: float64 [N, 4].
        scores: float64 [N].
        embeddings: float64 [N, C] of length 1, or None.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: np.ndarray) -> "Detections":
        """Some of them, by indices or booleans."""
        embeddings = None if self.embeddings is None else self.embeddings[chosen]
        return replace(self, boxes_xyxy=self.boxes_xyxy[chosen], scores=self.scores[chosen], embeddings=embeddings)


class Associator:
    """Assigns identities to the detections of consecutive frames.

    Three rounds, each over what the ones before have left: all confirmed tracks, lost ones too, by cost; confirmed ones
    that were seen in the frame before, by overlap; unconfirmed ones, by overlap. A pair beyond the Mahalanobis gate is
    never made in the first round. An unconfirmed track that is missed is forgotten.
    """

    def __init__(self, config: Association) -> None:
        self.config = config
        self._motions = Motions.begin(np.zeros((0, 4)))
        self._ids = np.zeros(0, dtype=np.int64)
        self._hits = np.zeros(0, dtype=np.int64)  # detections, up to `confirm_after`
        self._missed = np.zeros(0, dtype=np.int64)
        self._scores = np.zeros(0)  # of the last detection
        self._embeddings: np.ndarray | None = None
        self._next_id = 1
        self._first = True

    def update(self, detections: Detections) -> FrameTracks:
        """Take the next frame's detections, say where the tracks are; all detections are its candidates.

        Args:
            detections: in any order; either all frames have embeddings or none has.
        """
        config = self.config
        usable = detections[detections.scores >= min(config.keep_score, config.start_score)]
        track_of = self._follow(usable)
        reported = np.flatnonzero((self._hits >= config.confirm_after) & (self._missed <= config.coast_frames))
        boxes = self._motions.boxes_xyxy
        if config.report == "detection":
            seen = np.flatnonzero(track_of >= 0)
            boxes[track_of[seen]] = usable.boxes_xyxy[seen]
        found = FrameTracks(
            self._ids[reported], boxes[reported], self._scores[reported], detections.boxes_xyxy, detections.scores
        )
        self._forget()
        return found

    def identify(self, detections: Detections) -> np.ndarray:
        """Take the next frame's detections, say which track each belongs to: int64 [N], 0 for none."""
        ids = np.zeros(len(detections), dtype=np.int64)
        usable = np.flatnonzero(detections.scores >= min(self.config.keep_score, self.config.start_score))
        track_of = self._follow(detections[usable])
        ids[usable[track_of >= 0]] = self._ids[track_of[track_of >= 0]]
        self._forget()
        return ids

    def _follow(self, usable: Detections) -> np.ndarray:
        """Which track each detection continues or starts, by its place; -1 for none."""
        config = self.config
        self._motions.velocity[self._missed > 0, 3] = 0.0  # what is out of sight neither grows nor shrinks
        self._motions.predict()
        measurements = measure(usable.boxes_xyxy)
        confirmed, seen = self._hits >= config.confirm_after, self._missed == 0

        track_of = np.full(len(usable), -1)
        usual = usable.scores >= config.keep_score
        overlaps = 1 - box_iou(self._motions.boxes_xyxy, usable.boxes_xyxy)
        costs, limit = self._first_costs(overlaps, usable, measurements)
        _link(np.flatnonzero(confirmed), np.flatnonzero(usual), costs, limit, track_of)
        for others, least in ((confirmed & seen, config.iou), (~confirmed, config.unconfirmed_iou)):
            others[track_of[track_of >= 0]] = False
            _link(np.flatnonzero(others), np.flatnonzero(usual & (track_of < 0)), overlaps, 1 - least, track_of)
        self._take_in(track_of, usable, measurements)
        new = np.flatnonzero((track_of < 0) & (usable.scores >= config.start_score))
        if len(new):
            self._start(new, track_of, usable, measurements)
        self._first = False
        return track_of

    def _first_costs(
        self, overlaps: np.ndarray, detections: Detections, measurements: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Costs [tracks, detections] of the first round, infinite beyond the gate, and their limit."""
        config = self.config
        distances = self._motions.distances(measurements)
        if detections.embeddings is None or self._embeddings is None:
            return np.where(distances > GATE, np.inf, overlaps), 1 - config.iou
        cosine = 1 - self._embeddings @ detections.embeddings.T
        costs = config.appearance * np.maximum(cosine, 0) + (1 - config.appearance) * distances
        return np.where(distances > GATE, np.inf, costs), config.max_cost

    def _take_in(self, track_of: np.ndarray, detections: Detections, measurements: np.ndarray) -> None:
        """Bring tracks up to what was seen of them; count the misses of the others."""
        found = np.flatnonzero(track_of >= 0)
        tracks = track_of[found]
        self._missed += 1
        self._missed[tracks] = 0
        self._scores[tracks] = detections.scores[found]
        self._hits[tracks] = np.minimum(self._hits[tracks] + 1, self.config.confirm_after)
        self._motions.update(tracks, measurements[found])
        if detections.embeddings is not None and self._embeddings is not None:
            momentum = self.config.embedding_momentum
            mixed = momentum * self._embeddings[tracks] + (1 - momentum) * detections.embeddings[found]
            self._embeddings[tracks] = _unit(mixed)

    def _start(self, new: np.ndarray, track_of: np.ndarray, detections: Detections, measurements: np.ndarray) -> None:
        """Begin a track with each of these detections."""
        track_of[new] = np.arange(len(new)) + len(self._ids)
        begun = Motions.begin(measurements[new])
        self._motions = Motions.join([self._motions, begun])
        self._ids = np.concatenate([self._ids, np.arange(len(new)) + self._next_id])
        hits = self.config.confirm_after if self._first else 1
        self._hits = np.concatenate([self._hits, np.full(len(new), hits)])
        self._missed = np.concatenate([self._missed, np.zeros(len(new), dtype=np.int64)])
        self._scores = np.concatenate([self._scores, detections.scores[new]])
        self._next_id += len(new)
        if detections.embeddings is not None:
            begun_embeddings = detections.embeddings[new]
            before = np.zeros((0, begun_embeddings.shape[1])) if self._embeddings is None else self._embeddings
            self._embeddings = np.concatenate([before, begun_embeddings])

    def _forget(self) -> None:
        """Drop tracks that were missed too long, and unconfirmed ones that were missed at all."""
        confirmed = self._hits >= self.config.confirm_after
        kept = np.where(confirmed, self._missed <= self.config.max_missed, self._missed == 0)
        if kept.all():
            return
        self._motions = self._motions[kept]
        self._ids, self._hits = self._ids[kept], self._hits[kept]
        self._missed, self._scores = self._missed[kept], self._scores[kept]
        if self._embeddings is not None:
            self._embeddings = self._embeddings[kept]


def _link(tracks: np.ndarray, detections: np.ndarray, costs: np.ndarray, limit: float, track_of: np.ndarray) -> None:
    """Pair tracks and detections at the least total cost; a pair above the limit is none, and costs the limit.

    Args:
        tracks: indices [n].
        detections: indices [m] into `track_of`, which is written.
        costs: of all tracks and all detections.
        limit: of a pair.
        track_of: by detection.
    """
    if not len(tracks) or not len(detections):
        return
    between = costs[tracks[:, None], detections]
    rows, columns = linear_sum_assignment(np.minimum(between, limit + 1e-9))
    made = between[rows, columns] <= limit
    track_of[detections[columns[made]]] = tracks[rows[made]]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
