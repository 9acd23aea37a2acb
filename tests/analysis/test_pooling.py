from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.pooling import POOLED, contributions, objects
from study.results import load

ROWS = Path(__file__).parents[2] / "benchmarks" / "rows" / "head_to_head"


@pytest.mark.parametrize("metric", POOLED)
def test_contributions_have_the_stored_figure_of_all_sequences_as_their_mean(metric):
    sequences, trials = load(ROWS, "sequences"), load(ROWS)
    rows = sequences.merge(objects(sequences).rename("objects").reset_index()).merge(trials[["trial_id", "seed"]])
    compared = 0
    for _, of_one in trials.groupby("configuration_id"):
        for split in ("val", "test"):
            last = rows[rows["trial_id"].isin(of_one["trial_id"]) & (rows["split"] == split)]
            last = last[last["epoch"] == last["epoch"].max()]
            found = contributions(last, metric).mean(axis=1)
            assert found == pytest.approx(of_one.sort_values("seed")[f"{split}_{metric}"].to_numpy(), abs=1e-12)
            compared += len(found)
    assert compared == 2 * len(trials)


def one_row(**values):
    row = {"split": "test", "sequence": "a", "seed": 0, "fn": 3, "fp": 1, "idsw": 1, "mota": 0.5, "idr": 0.6}
    return row | values


def test_objects_follow_from_any_tracker_that_made_an_error():
    rows = pd.DataFrame(
        [one_row(), one_row(fn=0, fp=0, idsw=0, mota=1.0), one_row(sequence="b", fn=0, fp=0, idsw=0, mota=1.0)]
    )
    counts = objects(rows)
    assert counts["test", "a"] == 10
    assert np.isnan(counts["test", "b"])


def test_rows_that_contradict_each_other_say_nothing():
    assert objects(pd.DataFrame([one_row(), one_row(mota=0.75)])).isna().all()


def test_a_sequence_that_a_seed_lacks_or_of_which_nothing_is_known_cannot_be_pooled():
    rows = pd.DataFrame([one_row(), one_row(sequence="b"), one_row(seed=1)]).assign(objects=10.0)
    assert contributions(rows, "mota") is None
    assert contributions(rows.iloc[:2].assign(objects=[10.0, np.nan]), "mota") is None
    assert contributions(rows.iloc[:2], "mota").tolist() == [[0.5, 0.5]]
