"""Why a trial of a plan counts as new: what tells it from the nearest trial that has a row."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from study.plan import Plan
from study.rows import differing, flatten

MOST = 3
"""Settings that are named: two trials that differ in more have little to do with each other."""

Cells = tuple[str, ...]
"""Values of a configuration under the keys that differ anywhere, as they are shown."""


def why_new(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """Tell what is new about the trials without a row.

    A trial is compared with the other seeds of its configuration, and with trials that the study no longer has: those
    of a study file, code or data before a change. That it differs from its neighbours in the search space is no news.
    The nearest of them differs in the fewest settings, seed and data counted as one each.

    Args:
        plan: what is to run.
        rows: the rows of `trials` of its study; imported ones are left aside.

    Returns:
        By trial_id `new: train.lr 0.002 -> 0.001`, or `new` where nothing is near. And lines on the earlier trials that
        differ from one of the plan only in what the study does not vary, or in their data.
    """
    rows = [row for row in rows if row["imported_from"] is None]
    stored, planned = {row["trial_id"] for row in rows}, {trial.trial_id for trial in plan.trials}
    new = [trial for trial in plan.trials if trial.trial_id not in stored]
    if not new:
        return {}, []
    earlier = [row for row in rows if row["trial_id"] not in planned]
    settings = {row["configuration_id"]: flatten(json.loads(row["configuration"])) for row in rows}
    settings |= {trial.configuration_id: flatten(trial.configuration.resolved()) for trial in plan.trials}
    keys = differing(list(settings.values()))
    cells = {name: tuple(_shown(plain, key) for key in keys) for name, plain in settings.items()}

    states = {}
    for trial in new:
        now = cells[trial.configuration_id]
        nearest: list[str] = []
        for row in [*earlier, *(row for row in rows if row["configuration_id"] == trial.configuration_id)]:
            before = cells[row["configuration_id"]]
            if sum(map(str.__ne__, before, now)) <= MOST:
                told = _changes(keys, before, now) + _of_data(row, plan)
                told += [f"seed {trial.seed}"] if row["seed"] != trial.seed else []
                nearest = told if not nearest or len(told) < len(nearest) else nearest
        states[trial.trial_id] = f"new: {', '.join(nearest)}" if nearest else "new"
    counts = Counter(note for row in earlier for note in [_note(row, plan, keys, cells)] if note)
    return states, [
        f"{count} of {len(rows)} earlier trials are of {note}; they are kept, and not used"
        for note, count in counts.items()
    ]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two flattened configurations, each as `train.lr 0.002 -> 0.001`."""
    keys = differing([before, now])
    return _changes(keys, *([_shown(plain, key) for key in keys] for plain in (before, now)))


def _note(row: Mapping[str, Any], plan: Plan, keys: Sequence[str], cells: Mapping[str, Cells]) -> str | None:
    """What an earlier trial is of, if it differs from one of the plan only in what the study does not vary."""
    before = cells[row["configuration_id"]]
    varied = [i for i, key in enumerate(keys) if key in plan.varying]
    points = {cells[trial.configuration_id] for trial in plan.trials}
    same = [point for point in points if all(before[i] == point[i] for i in varied)]
    if not same:
        return None
    told = min((_changes(keys, before, point) for point in same), key=len)
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    parts = [f"other settings: {', '.join(told[:MOST])}{more}"] if told else []
    return ", ".join(parts + _of_data(row, plan)) or None


def _changes(keys: Sequence[str], before: Sequence[str], now: Sequence[str]) -> list[str]:
    return [f"{key} {old} -> {new}" for key, old, new in zip(keys, before, now, strict=True) if old != new]


def _of_data(row: Mapping[str, Any], plan: Plan) -> list[str]:
    before, now = row["data_hash"], plan.splits.data_hash
    return [f"other data (hash {before[:8]} -> {now[:8]})"] if before != now else []


def _shown(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key, "not set")
    return value if isinstance(value, str) else json.dumps(value)
