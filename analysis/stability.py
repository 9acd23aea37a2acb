"""Would the order of the methods be the same with other seeds, on other metrics, after fewer epochs?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.contrasts import figures_of
from analysis.methods import Method
from analysis.statistics import FEWEST, kendall_w


def ranks(methods: Sequence[Method], metric: str) -> pd.DataFrame:
    """Rank of every method under every seed, 1 the best; failed runs share the last ranks.

    Args:
        methods: under the same conditions; imported ones are left out.
        metric: column of `trials`, larger is better.

    Returns:
        One row a method (its name), one column a seed that all of them ran.
    """
    figures = {method.title: figures_of(method.rows, metric) for method in methods if not method.imported}
    table = pd.DataFrame(figures).T
    return table.dropna(axis="columns").rank(ascending=False, method="average")


def rank_stability(methods: Sequence[Method], metric: str, *, samples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How sure the rank of a method is: ranks of means over resampled seeds.

    Args:
        methods: as for `ranks`.
        metric: as for `ranks`.
        samples: samples of the seeds, with replacement; all methods are ranked by the same sample.
        seed: of the drawing.

    Returns:
        One row a method, best first: method, rank (of the mean), low and high (2.5 and 97.5 % of the samples), first
        (share of samples in which it is the best; shared firsts are shared), seeds, failed. A method with a failed run
        stands last in every sample that has it. With fewer than `analysis.statistics.FEWEST` seeds nothing is
        resampled.
    """
    own = [method for method in methods if not method.imported]
    table = pd.DataFrame({method.title: figures_of(method.rows, metric) for method in own}).T
    table = table.dropna(axis="columns")
    columns = ["method", "rank", "low", "high", "first", "seeds", "failed"]
    if table.empty or not len(table.columns):
        return pd.DataFrame(columns=columns)
    figures = table.to_numpy()
    draws = np.random.default_rng(seed).integers(figures.shape[1], size=(samples, figures.shape[1]))
    means = figures[:, draws].mean(axis=2).round(12)  # equal means differ by the rounding of their sums
    sampled = stats.rankdata(-means, axis=0, method="average")
    best = means == means.max(axis=0)
    low, high = np.quantile(sampled, [0.025, 0.975], axis=1)
    rows = {
        "method": table.index,
        "rank": stats.rankdata(-figures.mean(axis=1), method="average"),
        "low": low,
        "high": high,
        "first": (best / best.sum(axis=0)).mean(axis=1),
        "seeds": figures.shape[1],
        "failed": [method.failed for method in own],
    }
    if figures.shape[1] < FEWEST:
        rows |= dict.fromkeys(("low", "high", "first"), np.nan)
    return pd.DataFrame(rows, columns=columns).sort_values("rank", kind="stable").reset_index(drop=True)


def agreement(methods: Sequence[Method], metric: str) -> float:
    """Kendall's W of the rankings under the single seeds; NaN for one seed or one method."""
    table = ranks(methods, metric)
    return kendall_w(table.T.to_numpy()) if len(table.columns) else np.nan


def correlation(methods: Sequence[Method], one: str, other: str) -> float:
    """Kendall's tau-b between the rankings of the methods' means on two metrics, such as validation and test MOTA.

    Returns:
        In [-1, 1]; NaN for fewer than two methods that completed.
    """
    complete = [method for method in methods if method.complete and not method.imported]
    if len(complete) < 2:
        return np.nan
    figures = [
        [method.judged[metric].astype(float).mean(skipna=False) for method in complete] for metric in (one, other)
    ]
    return float(stats.kendalltau(*figures, nan_policy="propagate").statistic)
