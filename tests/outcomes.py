"""Stores of trials with figures given by a test, and what they look like when loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from example_rows import make_row, make_trial

from study.config import WeightingConfig
from study.results import ResultStore, load
from study.rows import flatten

Outcome = float | str
"""Validation MOTA of a seed, or the status of one that did not complete."""


def write_outcomes(
    root: Path,
    outcomes: Sequence[tuple[WeightingConfig, Sequence[Outcome]]],
    *,
    study: str = "example",
    test_offset: float | None = -0.02,
    point: Mapping[str, Any] | None = None,
    **values: Any,
) -> pd.DataFrame:
    """Write a study's trials, seeds from 0, and load all of the folder; test figures lie beside validation's."""
    store = ResultStore(root, study)
    trials = [
        (make_trial({"weighting": config, **(point or {})}, seed=seed), outcome)
        for config, seeds in outcomes
        for seed, outcome in enumerate(seeds)
    ]
    varying = sorted({key for trial, _ in trials for key in flatten(trial.configuration.resolved())})
    varying = [key for key in varying if key.startswith("weighting.")]
    for trial, outcome in trials:
        mota = None if isinstance(outcome, str) else outcome
        row = make_row(trial, mota, **{"varying": varying} | ({"status": outcome} if mota is None else {}) | values)
        if mota is not None and test_offset is not None:
            row |= {f"test_{name}": row[f"val_{name}"] + test_offset for name in ("mota", "idf1", "hota")}
        store.write_trial(row)
    return load(root)
