"""What a search has found after so many trials, or so many device-seconds: a curve over cost.

Points of a grid, or of a random search, could as well have come in any other order. The mean over all orders is an
unbiased estimate of what such a search finds, and smoother than the one order in which it ran. Trials of a sampler that
learns, or of early stopping, are not exchangeable: of these there is the curve as it ran.

A configuration that failed costs what it cost and finds nothing. Where an order has found nothing yet, there is no
expectation (NaN): it is not replaced by a figure, nor taken over the luckier orders.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from analysis.methods import Method
from analysis.statistics import FAILED

Floats = NDArray[np.float64]


def expected_best(scores: ArrayLike, values: ArrayLike | None = None) -> Floats:
    """Expected best score of k trials, drawn without replacement from the n that ran, for k = 1 to n.

    The mean over all subsets of size k: sum_i v_(i) C(i - 1, k - 1) / C(n, k), scores in rising order. Unbiased for
    the expected best of k trials, unlike the estimate by drawing with replacement (Dodge et al., Show Your Work, EMNLP
    2019), which is too low; see Tang et al., Showing Your Work Doesn't Always Work, ACL 2020, equation 7.

    Args:
        scores: [n], by which the best is chosen, larger is better; NaN for a trial that failed.
        values: [n], another figure of the chosen one, such as its test score; the score itself if left out. Of equal
            scores one is chosen at random.

    Returns:
        [n]; NaN for a k of which all may have failed, or of which a chosen one lacks its value.
    """
    ordered, chosen = _ordered(scores, values)
    n, failed = len(ordered), int(np.isnan(ordered).sum())
    i = np.arange(1, n + 1, dtype=float)
    expected = np.full(n, np.nan)
    for k in range(failed + 1, n + 1):
        possible = i >= k
        weights = np.where(possible, np.exp(_log_choose(np.where(possible, i, k) - 1, k - 1) - _log_choose(n, k)), 0.0)
        expected[k - 1] = float(weights[possible] @ chosen[possible])
    return expected


def expected_best_after(
    scores: ArrayLike,
    costs: ArrayLike,
    budgets: ArrayLike,
    values: ArrayLike | None = None,
    *,
    orders: int = 2000,
    seed: int = 0,
) -> Floats:
    """Expected best score of a search that stops when its budget is spent; a trial counts once it is paid in full.

    The mean over random orders of the trials that ran. Each is as likely as the one that happened, so the mean is
    unbiased up to the cost of all trials; beyond that nothing is known, and it is NaN.

    Args:
        scores: [n], as for `expected_best`.
        costs: [n] device-seconds, failed ones too.
        budgets: [m] device-seconds.
        values: [n], as for `expected_best`; of equal scores the first one found stays chosen.
        orders: how many to draw; each way of ordering, if there are no more than that, is taken once.
        seed: of the drawing.

    Returns:
        [m]; NaN where some order has found nothing yet.
    """
    figures = _ranks(scores)
    worth = np.asarray(scores if values is None else values, dtype=float)
    prices, wanted = np.asarray(costs, dtype=float), np.asarray(budgets, dtype=float)
    n = len(figures)
    sums, hopeless = np.zeros(len(wanted)), wanted > prices.sum() * (1 + 1e-9)
    drawn = _orders(n, orders, seed)
    for order in drawn:
        best = np.maximum.accumulate(figures[order])
        improves = figures[order] > np.concatenate([[FAILED], best[:-1]])
        chosen = np.maximum.accumulate(np.where(improves, np.arange(n), -1))
        done = np.searchsorted(np.cumsum(prices[order]) * (1 - 1e-12), wanted, side="right")
        found = np.where(done > 0, chosen[np.maximum(done, 1) - 1], -1)
        hopeless |= found < 0
        sums += worth[order][found]
    return np.where(hopeless, np.nan, sums / len(drawn))


def search_trials(method: Method) -> pd.DataFrame:
    """What a method's search tried, one row a configuration.

    Without a search all seeds of a configuration are one unit: its score is their mean, its cost their sum. A search
    scores its suggestions under one seed; what it spent on the finalists' other seeds is part of its cost, not a trial
    of it.

    Returns:
        configuration_id, score (validation MOTA; NaN if it did not complete, was ended early, or a seed failed),
        device_seconds, ended_at of its last trial; in the order in which they ended.
    """
    rows = method.trials
    if is_search(method):
        rows = rows[rows["seed"] == rows["seed"].value_counts().idxmax()]
    groups = rows.assign(score=rows["val_mota"].where(rows["status"] == "completed")).groupby("configuration_id")
    tried = groups.agg(
        score=("score", lambda scores: scores.mean(skipna=False)),
        device_seconds=("device_seconds", lambda seconds: seconds.sum(skipna=False)),
        ended_at=("ended_at", "max"),
    )
    return tried.reset_index().sort_values(["ended_at", "configuration_id"]).reset_index(drop=True)


def is_search(method: Method) -> bool:
    """Whether a sampler suggested the method's configurations, so that their order matters."""
    return bool(method.trials["suggested"].notna().any())


def searches_hard_weights(method: Method) -> bool:
    """Whether the method is hard loss weights of which several were tried."""
    return method.kind == "hwf" and method.configurations > 1


def best_over_cost(method: Method, points: int = 100) -> pd.DataFrame:
    """The curve of a method: its best validation MOTA over what was spent.

    For a search, and for a grid with early stopping, as it ran: the best so far after each trial; what stopped one
    trial were the figures of those before it. For other points of a grid the expectation over their order.

    Returns:
        device_seconds, val_mota (NaN where nothing may have been found yet), in rising order; empty if a cost is
        unknown.
    """
    tried = search_trials(method)
    if tried["device_seconds"].isna().any() or tried.empty:
        return pd.DataFrame({"device_seconds": [], "val_mota": []}, dtype=float)
    costs = tried["device_seconds"].to_numpy()
    if is_search(method) or (method.trials["status"] == "pruned").any():
        return pd.DataFrame({"device_seconds": np.cumsum(costs), "val_mota": tried["score"].cummax().ffill()})
    budgets = np.linspace(costs.min(), costs.sum(), points if len(costs) > 1 else 1)
    return pd.DataFrame({"device_seconds": budgets, "val_mota": expected_best_after(tried["score"], costs, budgets)})


def cost_to_reach(curve: pd.DataFrame, target: float) -> float:
    """The least device-seconds at which a curve of `best_over_cost` is at a target or above; NaN if it never is."""
    reached = curve.loc[curve["val_mota"] >= target, "device_seconds"]
    return float(reached.iloc[0]) if len(reached) else np.nan


def at_cost(curve: pd.DataFrame, device_seconds: float) -> float:
    """A curve's value when so much was spent; NaN before its first result, the last one beyond its end."""
    reached = curve.loc[curve["device_seconds"] <= device_seconds * (1 + 1e-9), "val_mota"]
    return float(reached.iloc[-1]) if len(reached) else np.nan


def _ranks(scores: ArrayLike) -> Floats:
    """Scores with failed ones at the bottom."""
    return np.nan_to_num(np.asarray(scores, dtype=float), nan=FAILED)


def _ordered(scores: ArrayLike, values: ArrayLike | None) -> tuple[Floats, Floats]:
    """Scores in rising order, failed ones (NaN) first, and what the chosen one is worth at each place."""
    numbers = np.asarray(scores, dtype=float)
    order = np.argsort(_ranks(numbers), kind="stable")
    chosen = np.asarray(numbers if values is None else values, dtype=float)[order]
    means = pd.Series(chosen).groupby(_ranks(numbers)[order]).transform(lambda equal: equal.mean(skipna=False))
    return numbers[order], means.to_numpy()


def _orders(n: int, most: int, seed: int) -> Sequence[NDArray[np.int64]]:
    if math.factorial(n) <= most:
        return [np.array(order, dtype=int) for order in itertools.permutations(range(n))]
    draws = np.random.default_rng(seed)
    return [draws.permutation(n) for _ in range(most)]


def _log_choose(n: ArrayLike, k: float) -> Floats:
    size = np.asarray(n, dtype=float)
    return gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
