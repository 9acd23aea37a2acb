"""From the tracks of one or several sequences to their metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from study.evaluation.clear import ClearCounts, count_clear
from study.evaluation.hota import HotaCounts, count_hota
from study.evaluation.identity import IdentityCounts, count_identity
from study.evaluation.preprocessing import preprocess
from study.motfile import GroundTruth, Tracks

METRICS = (
    *("mota", "motp", "idf1", "idp", "idr", "hota", "deta", "assa"),
    *("idsw", "fp", "fn", "frag", "mt", "pt", "ml"),
)
"""Names of the metrics, in the order in which they are shown: fractions, then counts."""

Counts = TypeVar("Counts", ClearCounts, IdentityCounts, HotaCounts)


@dataclass(frozen=True)
class SequenceCounts:
    """What the metrics of one sequence, or of several pooled ones, are ratios of."""

    clear: ClearCounts
    identity: IdentityCounts
    hota: HotaCounts
    pooled: bool = False


def evaluate_sequence(ground_truth: GroundTruth, tracks: Tracks) -> SequenceCounts:
    """Compare a tracker's output on one sequence with its ground truth by the MOTChallenge protocol.

    Frames without ground truth or without output count; tracks beyond the last annotated frame are false positives.
    """
    overlaps = preprocess(ground_truth, tracks)
    return SequenceCounts(count_clear(overlaps), count_identity(overlaps), count_hota(overlaps))


def combine(counts: Mapping[str, SequenceCounts]) -> SequenceCounts:
    """Pool the counts of one or more sequences, by name; identities of different sequences are different."""
    assert counts, "no sequences to combine"
    sequences = list(counts.values())
    return SequenceCounts(
        clear=_sum([sequence.clear for sequence in sequences]),
        identity=_sum([sequence.identity for sequence in sequences]),
        hota=_sum([sequence.hota for sequence in sequences]),
        pooled=True,
    )


def summarize(counts: SequenceCounts) -> dict[str, float | int]:
    """Metrics of one sequence or of pooled sequences, by the names in `METRICS`.

    `motp` is the mean intersection over union of the matched boxes (TrackEval's; motmetrics has one minus it). All
    ratios are fractions; `mota` has no lower bound. `idsw`, `fp`, `fn` and `frag` are counts, `mt`, `pt` and `ml`
    numbers of identities.

    Every value is finite, as in TrackEval 1.3.0: a ratio of nothing is 0, denominators are at least 1. Without any
    ground truth the `mota` of a sequence is 0, that of pooled sequences minus the number of false positives.
    """
    clear, identity, hota = counts.clear, counts.identity, counts.hota
    num_object_boxes = clear.true_positives + clear.false_negatives
    errors = clear.false_positives + clear.switches
    values = (
        (clear.true_positives - errors) / max(1, num_object_boxes) if num_object_boxes or counts.pooled else 0.0,
        clear.overlap_sum / max(1, clear.true_positives),
        identity.true_positives
        / max(1, identity.true_positives + 0.5 * identity.false_positives + 0.5 * identity.false_negatives),
        identity.true_positives / max(1, identity.true_positives + identity.false_positives),
        identity.true_positives / max(1, identity.true_positives + identity.false_negatives),
        float(hota.hota.mean()),
        float(hota.detection_accuracy.mean()),
        float(hota.association_accuracy.mean()),
        clear.switches,
        clear.false_positives,
        clear.false_negatives,
        clear.fragmentations,
        clear.mostly_tracked,
        clear.partially_tracked,
        clear.mostly_lost,
    )
    return dict(zip(METRICS, values, strict=True))


def _sum(counts: list[Counts]) -> Counts:
    totals: dict[str, Any] = {
        field.name: sum(getattr(count, field.name) for count in counts) for field in fields(counts[0])
    }
    return type(counts[0])(**totals)
