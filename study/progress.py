"""How far a study is, by its rows and checkpoints alone: what has ended for good, and what may go on."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study.results import LAST, ResultStore
from study.schema import DONE


def resumable(rows: Iterable[Mapping[str, Any]], store: ResultStore) -> frozenset[str]:
    """Ids of trials that early stopping ended, and that may go on: their checkpoints are still there.

    Args:
        rows: of `trials`, or their trial_id and status.
        store: where their checkpoints are.
    """
    pruned = (row["trial_id"] for row in rows if row["status"] == "pruned")
    return frozenset(trial_id for trial_id in pruned if store.has_checkpoint(trial_id, LAST))


def ended_trials(rows: Sequence[Mapping[str, Any]], paused: frozenset[str]) -> frozenset[str]:
    """Ids of trials that do not run again.

    Trials that failed do, but for members of a population under the seed it searches with: it went on without them.

    Args:
        rows: of `trials`, or their trial_id, seed, status and `suggested`.
        paused: ids of trials that may go on.
    """
    suggested = [row for row in rows if isinstance(row["suggested"], str)]
    members = [row for row in suggested if "generation" in json.loads(row["suggested"])]
    first = {seed for seed, _ in Counter(row["seed"] for row in members).most_common(1)}
    passed = {row["trial_id"] for row in members if row["seed"] in first and row["status"] != "interrupted"}
    done = {row["trial_id"] for row in rows if row["status"] in DONE}
    return frozenset((done | passed) - paused)
