"""Is a method better than the baseline, by how much, and how sure is that? One line a method."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from analysis.conditions import settings
from analysis.methods import Method
from analysis.pooling import POOLED, contributions, objects
from analysis.seeds import mean_over_seeds
from analysis.statistics import (
    FAILED,
    NOTHING,
    Interval,
    bootstrap_interval,
    holm,
    interquartile_mean,
    paired_p_value,
    probability_of_improvement,
    seeds_needed,
    t_interval,
)

Evidence = Literal[
    "better",
    "worse",
    "undecided",
    "identical",
    "one seed",
    "incomplete",
    "no figure",
    "no common seed",
    "other settings",
]
EVIDENCES: tuple[Evidence, ...] = get_args(Evidence)

LEVEL = 0.05
"""Probability of any false claim among all methods that are held against a baseline."""

COLUMNS = (
    *("method", "chosen", "seeds", "failed", "pairs", "mean", "iqm", "baseline_mean", "baseline_iqm"),
    *("difference", "low", "high", "p", "p_holm"),
    *("boot_low", "boot_high", "sequences", "crossed_low", "crossed_high"),
    *("probability", "seeds_needed", "device_seconds", "evidence"),
)
"""Columns of `contrasts`."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """What methods are held against: a single configuration.

    Attributes:
        name: in words.
        rows: its rows of `trials`, one a seed.
        device_seconds: what it cost, its search included if there was one; NaN if unknown.
        searched: whether there was one.
        method: the method that it is what was chosen of; None for a point of a search that is taken by itself.
    """

    name: str
    rows: pd.DataFrame
    device_seconds: float
    searched: bool = False
    method: Method | None = None

    def mean(self, metric: str) -> float:
        """Mean of a metric over its seeds; NaN if one did not complete."""
        return mean_over_seeds(self.rows, metric)


def find_baseline(methods: Sequence[Method], name: str | None = None) -> Baseline | None:
    """The plain sum of losses: the weighting `equal`, or else hard loss weights that are all the same.

    Where early stopping ended it, it has no figure, and is no baseline.

    Args:
        methods: of trials under the same conditions.
        name: of another method, or kind of weighting, whose chosen configuration is taken instead.

    Returns:
        The one with the most completed seeds, if there are several, and of these `equal`; None without one.
    """
    own = [method for method in methods if not method.imported]
    if name is not None:
        for method in own:
            if name in (method.name, method.title, method.kind):
                title, searched = f"{method.name} {method.settings}".strip(), method.configurations > 1
                return Baseline(title, method.rows, method.device_seconds, searched, method)
        return None
    found = [
        (rows, weights, method)
        for method in own
        for _, rows in method.trials[method.trials["status"] != "pruned"].groupby("configuration_id", sort=False)
        if (weights := _equal_weights(rows.iloc[0])) is not None
    ]
    if not found:
        return None
    rows, weights, method = max(
        found,
        key=lambda one: (int((one[0]["status"] == "completed").sum()), one[2].kind == "equal"),
    )
    told = f"({', '.join(f'{weight:g}' for weight in weights)})"
    cost = float(rows["device_seconds"].sum(skipna=False))
    return Baseline(told, rows, cost, method=method if method.configurations == 1 else None)


def contrasts(
    methods: Sequence[Method],
    baseline: Baseline,
    metric: str,
    sequences: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Hold every method against the baseline, seed by seed.

    Pairs are runs under the same seed, which began with the same network and saw the same batches. A claim (`better`,
    `worse`) needs Holm's adjusted p-value of the paired t-test below `LEVEL`; everything else is undecided, which is
    not the same as equal. A method of whose chosen configuration a seed failed has no mean and no claim.

    Args:
        methods: under the same conditions; imported ones are left out, since theirs are not known.
        baseline: what to hold them against.
        metric: column of `trials`, such as `test_mota`; larger is better.
        sequences: rows of `sequences` of these trials, for intervals over seeds and sequences.
        confidence: of the intervals.

    Returns:
        `COLUMNS`, best mean first. seeds and failed are of the chosen configuration, pairs are those compared; mean and
        iqm (interquartile) are over the judged seeds; difference, low and high (paired t), boot_low and boot_high
        (bootstrap over seeds), crossed_low and crossed_high (over seeds and so many `sequences`) are in the metric's
        unit; probability that a run of it is better than one of the baseline; seeds_needed to show the difference found
        (power .8, as one of so many comparisons); device_seconds of all the method's trials; evidence is one of
        `EVIDENCES`.
    """
    counts = None if sequences is None else _counted(sequences, metric)
    others = [method for method in methods if not method.imported and method is not baseline.method]
    lines = [_line(method, baseline, metric, counts, confidence, LEVEL / len(others)) for method in others]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    claimed = (table["evidence"] == "undecided") & (table["p_holm"] < LEVEL)
    table.loc[claimed, "evidence"] = np.where(table.loc[claimed, "difference"] > 0, "better", "worse")
    order = table.sort_values("mean", ascending=False, kind="stable", na_position="last")
    return order.reset_index(drop=True)


def figures_of(rows: pd.DataFrame, metric: str) -> pd.Series:
    """A metric by seed; `FAILED` where the trial did not complete."""
    return rows.set_index("seed")[metric].astype(float).where((rows["status"] == "completed").to_numpy(), FAILED)


def _line(
    method: Method, baseline: Baseline, metric: str, counts: pd.DataFrame | None, confidence: float, alpha: float
) -> dict[str, object]:
    rows = method.rows
    mine, theirs = figures_of(rows, metric), figures_of(baseline.rows, metric)
    seeds = mine.index.intersection(theirs.index)
    alike = settings(rows["configuration"].iloc[0]) == settings(baseline.rows["configuration"].iloc[0])
    differences = (mine - theirs)[seeds].to_numpy() if method.complete and alike else np.array([])
    mean = t_interval(differences, confidence)
    over_seeds = bootstrap_interval(differences, confidence)
    crossed, number = NOTHING, 0
    if counts is not None and np.isfinite(mean.mean):
        crossed, number = _crossed(counts, rows, baseline.rows, seeds, metric, confidence)
    return {
        "method": method.title,
        "chosen": method.settings,
        "seeds": len(method.chosen),
        "failed": method.failed,
        "pairs": len(differences),
        "mean": float(mine.mean()) if np.isfinite(mine).all() else np.nan,
        "iqm": interquartile_mean(mine),
        "baseline_mean": float(theirs.mean()) if np.isfinite(theirs).all() else np.nan,
        "baseline_iqm": interquartile_mean(theirs),
        "difference": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "p": paired_p_value(differences),
        "boot_low": over_seeds.low,
        "boot_high": over_seeds.high,
        "sequences": number,
        "crossed_low": crossed.low,
        "crossed_high": crossed.high,
        "probability": probability_of_improvement(mine, theirs),
        "seeds_needed": seeds_needed(differences, mean.mean, alpha=alpha) if np.isfinite(mean.mean) else None,
        "device_seconds": method.device_seconds,
        "evidence": _evidence(method, theirs[seeds], differences) if alike else "other settings",
    }


def _evidence(method: Method, theirs: pd.Series, differences: np.ndarray) -> Evidence:
    if not method.complete or (theirs == FAILED).any():
        return "incomplete"
    if not len(differences):
        return "no common seed"
    if np.isnan(differences).any():
        return "no figure"
    if not differences.any():
        return "identical"
    return "undecided" if len(differences) > 1 else "one seed"


def _equal_weights(row: pd.Series) -> list[float] | None:
    """The fixed loss weights of a configuration if they are all the same: the plain sum, up to its scale."""
    configuration = json.loads(row["configuration"])
    weighting, tasks = configuration["weighting"], [loss["name"] for loss in configuration["objective"]["task_losses"]]
    if weighting["kind"] not in ("equal", "hwf"):
        return None
    given = weighting.get("loss_weights") or {}
    weights = [float(given.get(task, 1.0)) for task in tasks]
    return weights if len(set(weights)) == 1 else None


def _counted(sequences: pd.DataFrame, metric: str) -> pd.DataFrame | None:
    """Rows of the metric's split with the number of objects; None if the metric is not one that can be pooled."""
    split, _, name = metric.partition("_")
    if name not in POOLED:
        return None
    rows = sequences[sequences["split"] == split]
    return rows.merge(objects(rows).rename("objects").reset_index(), on=["split", "sequence"])


def _crossed(
    counts: pd.DataFrame, rows: pd.DataFrame, others: pd.DataFrame, seeds: pd.Index, metric: str, confidence: float
) -> tuple[Interval, int]:
    """Interval of the mean difference over seeds and sequences, and how many sequences there are."""
    tables = []
    for trials in (rows, others):
        named = trials[trials["seed"].isin(seeds)][["study", "trial_id", "seed", "epochs"]]
        mine = counts.merge(named, on=["study", "trial_id"])
        mine = mine[mine["epoch"] == mine["epochs"]]
        tables.append(contributions(mine, metric.partition("_")[2]) if len(mine) else None)
    one, other = tables
    if one is None or other is None or one.shape != other.shape:
        return NOTHING, 0
    return bootstrap_interval(one - other, confidence), one.shape[1]
