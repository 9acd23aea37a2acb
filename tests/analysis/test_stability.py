import itertools

import numpy as np
import pytest
from outcomes import write_outcomes

from analysis.methods import find_methods
from analysis.stability import agreement, correlation, rank_stability, ranks
from study.weighting import equal, famo, gradnorm, lwf


@pytest.fixture
def methods(tmp_path):
    return find_methods(
        write_outcomes(
            tmp_path,
            [
                (equal.Config(), [0.5, 0.5, 0.6]),
                (famo.Config(), [0.7, 0.6, 0.5]),
                (gradnorm.Config(), [0.1, 0.2, 0.1]),
                (lwf.Config(), [0.2, "diverged", 0.2]),
            ],
        )
    )


def test_ranks_of_single_seeds_with_failed_runs_last(methods):
    table = ranks(methods, "val_mota")
    assert table.loc["famo"].tolist() == [1, 1, 2]
    assert table.loc["lwf"].tolist() == [3, 4, 3]
    assert agreement(methods, "val_mota") == pytest.approx(
        12 * (2.5**2 + 3.5**2 + 3.5**2 + 2.5**2) / (9 * 60), abs=0.02
    )


def test_the_rank_of_a_mean_is_as_sure_as_its_seeds_agree(tmp_path):
    outcomes = [
        (equal.Config(), [0.5, 0.5, 0.6, 0.5, 0.5]),
        (famo.Config(), [0.7, 0.6, 0.5, 0.5, 0.5]),
        (gradnorm.Config(), [0.1, 0.2, 0.1, 0.1, 0.1]),
        (lwf.Config(), [0.2, "diverged", 0.2, 0.2, 0.2]),
    ]
    table = rank_stability(find_methods(write_outcomes(tmp_path, outcomes)), "val_mota").set_index("method")
    assert table.index.tolist() == ["famo", "equal", "gradnorm", "lwf"]
    assert table["rank"].tolist() == [1, 2, 3, 4]
    assert table["first"].sum() == pytest.approx(1)
    # Differences of famo and equal are .2, .1, -.1, 0, 0: of all samples of five, by enumeration:
    sums = [sum(sample) for sample in itertools.product((2, 1, -1, 0, 0), repeat=5)]
    ahead = np.mean([1.0 if total > 0 else 0.5 if total == 0 else 0.0 for total in sums])
    assert table.loc["famo", "first"] == pytest.approx(ahead, abs=0.03)
    assert (table["low"] <= table["rank"]).all()
    assert (table["rank"] <= table["high"]).all()
    # lwf stands last unless the seed that failed is not drawn, which happens in a third of the samples.
    assert table.loc["lwf", "low"] == 3
    assert table["failed"].to_dict() == {"famo": 0, "equal": 0, "gradnorm": 0, "lwf": 1}
    assert set(table["seeds"]) == {5}


def test_few_seeds_are_ranked_and_not_resampled(methods):
    table = rank_stability(methods, "val_mota")
    assert table["method"].tolist() == ["famo", "equal", "gradnorm", "lwf"]
    assert table[["low", "high", "first"]].isna().all(axis=None)


def test_one_seed_or_one_method_says_nothing(methods):
    assert np.isnan(agreement(methods[:1], "val_mota"))
    assert np.isnan(correlation(methods[:1], "val_mota", "test_mota"))
    assert rank_stability([], "val_mota").empty
    assert correlation(methods, "val_mota", "test_mota") == pytest.approx(1)
