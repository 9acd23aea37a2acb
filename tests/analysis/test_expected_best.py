import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from example_rows import make_row, make_trial

from analysis.expected_best import (
    at_cost,
    best_over_cost,
    cost_to_reach,
    expected_best,
    expected_best_after,
    search_trials,
)
from analysis.methods import find_methods
from study.results import ResultStore, load

NAN = float("nan")
SCORES = [0.3, 0.7, 0.1, 0.7, 0.5]
VALUES = [1.0, 5.0, 2.0, 3.0, 9.0]
COSTS = [10.0, 30.0, 20.0, 5.0, 40.0]


def chosen_value(indices, scores, values):
    """What the best of some trials is worth, by looking at each; None if all failed."""
    completed = [i for i in indices if scores[i] == scores[i]]
    if not completed:
        return None
    best = [values[i] for i in completed if scores[i] == max(scores[j] for j in completed)]
    return sum(best) / len(best)


def first_best(order, scores, values):
    """The same where of equal scores the first one stays chosen."""
    completed = [i for i in order if scores[i] == scores[i]]
    return values[max(completed, key=lambda i: scores[i])] if completed else None


@pytest.mark.parametrize("values", [SCORES, VALUES])
def test_expected_best_of_k_is_the_mean_over_all_subsets(values):
    found = expected_best(SCORES, values)
    for k in range(1, 6):
        subsets = itertools.combinations(range(5), k)
        assert found[k - 1] == pytest.approx(np.mean([chosen_value(subset, SCORES, values) for subset in subsets]))


def test_failed_trials_find_nothing_and_the_curve_begins_where_something_must_have_been_found():
    scores = [0.3, NAN, 0.1, NAN, 0.5]
    found = expected_best(scores)
    assert np.isnan(found[:2]).all()
    for k in (3, 4, 5):
        subsets = itertools.combinations(range(5), k)
        assert found[k - 1] == pytest.approx(np.mean([chosen_value(subset, scores, scores) for subset in subsets]))
    assert np.isnan(expected_best([NAN, NAN])).all()


def test_expected_best_of_a_thousand_trials_is_finite():
    found = expected_best(np.random.default_rng(0).normal(size=1000))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("scores", [SCORES, [0.3, NAN, 0.1, 0.7, NAN]])
@pytest.mark.parametrize("values", [SCORES, VALUES])
def test_expected_best_after_a_budget_is_the_mean_over_all_orders(scores, values):
    budgets = np.arange(0, 111, 2.5)
    found = expected_best_after(scores, COSTS, budgets, values)
    for budget, mean in zip(budgets, found, strict=True):
        results = []
        for order in itertools.permutations(range(5)):
            paid = [order[: n + 1] for n in range(5) if sum(COSTS[i] for i in order[: n + 1]) <= budget]
            results.append(first_best(paid[-1], scores, values) if paid else None)
        known = None not in results and budget <= sum(COSTS)
        assert mean == pytest.approx(np.mean(results) if known else NAN, nan_ok=True)
    assert np.isfinite(found).any()


def test_drawn_orders_are_near_to_all_orders():
    budgets = [50.0, 70.0, 100.0]
    exact = expected_best_after(SCORES, COSTS, budgets)
    assert expected_best_after(SCORES, COSTS, budgets, orders=119) == pytest.approx(exact, abs=0.05)


@pytest.fixture
def make_method(tmp_path):
    """A method of these (loss weight of cls, seed, val MOTA, status or None, cost, suggested?), ended in that order."""

    def make(*trials):
        store = ResultStore(tmp_path, "example")
        for minute, (cls, seed, mota, cost, suggested) in enumerate(trials):
            trial = make_trial({"weighting.loss_weights": {"cls": cls}}, seed=seed)
            status = {"status": mota} if isinstance(mota, str) else {}
            row = make_row(trial, None if status else mota, device_seconds=cost, **status)
            row["ended_at"] = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
            store.write_trial(row | ({"suggested": f'{{"cls": {cls}}}'} if suggested else {}))
        (method,) = find_methods(load(tmp_path))
        return method

    return make


def test_a_grid_is_a_unit_for_each_configuration_with_all_its_seeds(make_method):
    method = make_method(
        (1.0, 0, 0.5, 100.0, False),
        (2.0, 0, 0.7, 100.0, False),
        (1.0, 1, 0.6, 200.0, False),
        (2.0, 1, None, 150.0, False),
    )
    tried = search_trials(method)
    assert tried["score"].tolist() == pytest.approx([0.55, NAN], nan_ok=True)
    assert tried["device_seconds"].tolist() == [300.0, 250.0]
    curve = best_over_cost(method)
    assert np.isnan(curve["val_mota"].iloc[0])
    assert curve["val_mota"].iloc[-1] == pytest.approx(0.55)
    assert curve["device_seconds"].iloc[-1] == pytest.approx(550)
    assert cost_to_reach(curve, 0.55) == pytest.approx(550, rel=0.02)
    assert np.isnan(cost_to_reach(curve, 0.56))


def test_a_grid_with_early_stopping_is_the_best_so_far_as_well(make_method):
    """Another order would have stopped other trials."""
    method = make_method((1.0, 0, 0.5, 100.0, False), (2.0, 0, "pruned", 150.0, False), (3.0, 0, 0.7, 100.0, False))
    curve = best_over_cost(method)
    assert curve["device_seconds"].tolist() == [100, 250, 350]
    assert curve["val_mota"].tolist() == [0.5, 0.5, 0.7]


def test_a_search_is_the_best_so_far_in_the_order_in_which_it_ran(make_method):
    method = make_method(
        (1.0, 0, None, 150.0, True),
        (2.0, 0, 0.4, 100.0, True),
        (3.0, 0, 0.3, 100.0, True),
        (4.0, 0, 0.6, 100.0, True),
        (4.0, 1, 0.9, 100.0, True),
    )
    curve = best_over_cost(method)
    assert curve["device_seconds"].tolist() == [150, 250, 350, 450]
    assert curve["val_mota"].tolist() == pytest.approx([NAN, 0.4, 0.4, 0.6], nan_ok=True)
    assert cost_to_reach(curve, 0.4) == 250
    assert np.isnan(at_cost(curve, 240))
    assert at_cost(curve, 400) == 0.4
    assert at_cost(curve, 1000) == 0.6
