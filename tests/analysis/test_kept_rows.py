"""Rows kept of the studies that compare all weightings: what the tables of benchmarks/README.md are made of."""

from pathlib import Path

import pytest

from analysis.methods import methods
from study.results import load

ROWS = Path(__file__).parents[2] / "benchmarks" / "rows"
TRIALS = {"head_to_head": 135, "head_to_head_mot17": 21}


@pytest.mark.parametrize("study", TRIALS)
def test_every_trial_is_there_and_took_part_in_the_table(study):
    trials = load(ROWS / study)
    assert len(trials) == TRIALS[study]
    assert set(trials["seed"]) == {0, 1, 2}
    assert set(trials["status"]) == {"completed"}
    table = methods(trials)
    assert table["trials"].sum() == len(trials)
    assert table["val_mota"].notna().all()
    assert table["device_seconds"].sum() == pytest.approx(trials["device_seconds"].sum())


@pytest.mark.parametrize("study", TRIALS)
def test_trials_of_a_seed_begin_with_the_same_network_and_batch(study):
    steps = load(ROWS / study, "steps")
    first = steps[steps["step"] == 0].merge(load(ROWS / study)[["trial_id", "seed", "num_parameters"]])
    assert first["num_parameters"].nunique() == 1
    assert (first.groupby(["seed", "task"])["loss"].nunique() == 1).all()
    assert (first.groupby("task")["loss"].nunique() == 3).all()
