"""The MOTChallenge protocol: CLEAR and ID metrics and HOTA of tracks against ground truth, equal to TrackEval's.

Import `evaluate_sequence`, `combine`, `summarize`, `SequenceCounts` and `METRICS` from here, and what
explains a MOTA beside the protocol (average precision of detections) from `study.evaluation.detection`.
"""

from study.evaluation.sequence import METRICS, SequenceCounts, combine, evaluate_sequence, summarize

__all__ = ["METRICS", "SequenceCounts", "combine", "evaluate_sequence", "summarize"]
