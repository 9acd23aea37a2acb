"""Our association beside SORT of the PyPI package `trackers` (Roboflow), on the same detections in one process.

    uv pip install --group bench
    python benchmarks/association.py --data DIR

Detections of the sequences' own det files, from the score on that suits each detector. Both sides start a track from
every detection, match by overlap of 0.3, keep lost tracks for 30 frames and report a track from its third detection on.
The package's SORT runs with either state of its Kalman filter: corners (its default), or centre, area and aspect
(SORT's own). Rounds are interleaved; what is timed is the way from ready arrays of a frame to identities, not reading
or scoring.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import supervision
from trackers import SORTTracker
from trackers.utils.state_representations import XCYCSRStateEstimator, XYXYStateEstimator

from study.detections import find_detections, read_frames
from study.evaluation import combine, evaluate_sequence, summarize
from study.motfile import GroundTruth, Tracks, read_ground_truth
from study.tracker.association import Association, Associator, Detections
from study.tracking import join_frames

LOWEST = {"MOT17-09": 0.0, "PETS09-S2L1": 30.0, "ETH-Bahnhof": 20.0, "TUD-Campus": 10.0, "KITTI-17": 5.0}
"""Score of a detection that counts: every detector has scores of its own."""

CONFIRM, IOU, LOST = 3, 0.3, 30
FIGURES = ("hota", "mota", "idf1", "assa")


@dataclass(frozen=True)
class Recording:
    """Detections of every frame of a sequence, and what tracks are scored against."""

    name: str
    frames: list[Detections]
    theirs: list[supervision.Detections]
    truth: GroundTruth


def read(root: Path, name: str) -> Recording:
    """A sequence's detections that count."""
    (file,) = find_detections(root / name)
    frames = [frame[frame.scores >= LOWEST[name]] for frame in read_frames(file)]
    theirs = [supervision.Detections(xyxy=frame.boxes_xyxy, confidence=frame.scores) for frame in frames]
    return Recording(name, frames, theirs, read_ground_truth(root / name / "gt" / "gt.txt", sequence=name))


def ours(recording: Recording) -> tuple[Tracks, float]:
    """Tracks, and seconds."""
    lowest = LOWEST[recording.name]
    config = Association.sort(start_score=lowest, keep_score=lowest, confirm_after=CONFIRM, max_missed=LOST)
    associator = Associator(config)
    start = time.perf_counter()
    found = [associator.update(frame) for frame in recording.frames]
    seconds = time.perf_counter() - start
    return join_frames(found), seconds


def theirs(state: type) -> Callable[[Recording], tuple[Tracks, float]]:
    """The package's SORT with a state of its Kalman filter."""

    def run(recording: Recording) -> tuple[Tracks, float]:
        tracker = SORTTracker(
            lost_track_buffer=LOST,
            track_activation_threshold=LOWEST[recording.name],
            minimum_consecutive_frames=CONFIRM,
            minimum_iou_threshold=IOU,
            state_estimator_class=state,
        )
        start = time.perf_counter()
        found = [tracker.update(frame) for frame in recording.theirs]
        seconds = time.perf_counter() - start
        return _tracks(found), seconds

    return run


def _tracks(found: list[supervision.Detections]) -> Tracks:
    frames = np.repeat(np.arange(1, len(found) + 1), [len(frame) for frame in found])
    ids = np.concatenate([np.asarray(frame.tracker_id, dtype=np.int64).reshape(-1) for frame in found])
    boxes = np.concatenate([np.asarray(frame.xyxy, dtype=float).reshape(-1, 4) for frame in found])
    scores = np.concatenate([np.asarray(frame.confidence, dtype=float).reshape(-1) for frame in found])
    order = np.lexsort((ids, frames))
    order = order[ids[order] >= 0]  # -1: not confirmed yet
    return Tracks(frames[order], ids[order] + 1, boxes[order], scores[order])


SIDES: dict[str, Callable[[Recording], tuple[Tracks, float]]] = {
    "ours": ours,
    "trackers, centre and area": theirs(XCYCSRStateEstimator),
    "trackers, corners": theirs(XYXYStateEstimator),
}


def main() -> None:
    """Print figures and speed of each side, a sequence a row, then of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of MOT sequences")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    recordings = [read(options.data, name) for name in LOWEST]
    seconds: dict[tuple[str, str], list[float]] = {}
    tracks: dict[tuple[str, str], Tracks] = {}
    for _ in range(options.rounds):
        for recording in recordings:
            for side, run in SIDES.items():
                found, took = run(recording)
                tracks[side, recording.name] = found
                seconds.setdefault((side, recording.name), []).append(took)
    print("| sequence | association | " + " | ".join(FIGURES) + " | IDSW | frames/s | ours is faster by |")
    print("|" + "---|" * (5 + len(FIGURES)))
    counts = {
        (side, recording.name): evaluate_sequence(recording.truth, tracks[side, recording.name])
        for side in SIDES
        for recording in recordings
    }
    for name in [*LOWEST, "all"]:
        meant = [recording for recording in recordings if name in (recording.name, "all")]
        frames = sum(len(recording.frames) for recording in meant)
        for side in SIDES:
            metrics = summarize(combine({one.name: counts[side, one.name] for one in meant}))
            totals = [sum(times) for times in zip(*(seconds[side, one.name] for one in meant), strict=True)]
            own = [sum(times) for times in zip(*(seconds["ours", one.name] for one in meant), strict=True)]
            ratio = median(other / mine for other, mine in zip(totals, own, strict=True))
            figures = " | ".join(f"{metrics[figure]:.3f}" for figure in FIGURES)
            print(f"| {name} | {side} | {figures} | {metrics['idsw']} | {frames / median(totals):.0f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
