"""The tables of a report and of a paper: methods head to head, what searches cost, where the time went."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.contrasts import Baseline
from analysis.expected_best import at_cost, best_over_cost, cost_to_reach, searches_hard_weights
from analysis.formats import MISSING, Table, count, fraction, percent, probability, signed
from analysis.methods import Method
from analysis.pareto import front_of_methods

_METRICS = {"mota": "MOTA", "idf1": "IDF1", "hota": "HOTA"}


def head_to_head(methods: pd.DataFrame, split: str) -> Table:
    """All methods, with the figures of what each chose, and what finding it cost.

    Args:
        methods: what `analysis.methods.methods` gives.
        split: `test` or `val`, of IDF1 and HOTA; MOTA is shown on both.
    """
    data = methods.copy()
    data["front"] = np.where(front_of_methods(data, f"{split}_mota"), "yes", "")
    figures = {"val_mota": "val MOTA"} | {f"{split}_{name}": f"{split} {title}" for name, title in _METRICS.items()}
    columns = {"method": "method", "chosen": "chosen", "trials": "trials", "judged": "seeds"}
    columns |= {"failed": "failed", **figures} if "failed" in data else figures
    columns |= {"device_seconds": "device-seconds", "front": "Pareto", "weighting_status": "loss weights"}
    return Table(
        name="head_to_head",
        caption="Mean ± sample standard deviation over seeds of what each method chose by validation MOTA; cost of all "
        "its trials, failed ones too. Seeds: those that count in the means. Pareto: no cheaper one has as high a MOTA.",
        data=data,
        columns=columns,
        shows=dict.fromkeys(("device_seconds", "trials", "judged", "failed"), count),
        spreads={name: f"{name}_sd" for name in figures},
    )


def differences(contrasts: pd.DataFrame, baseline: Baseline, metric: str) -> Table:
    """Every method against the baseline, with intervals, corrected p-values and what became of its seeds."""
    columns = {
        **{"method": "method", "chosen": "chosen", "seeds": "seeds", "pairs": "pairs", "failed": "failed"},
        **{"mean": "mean", "iqm": "IQM"},
        **{"difference": "difference", "low": "low", "high": "high", "boot_low": "bootstrap low"},
        **{"boot_high": "bootstrap high", "crossed_low": "seeds x sequences low"},
        **{"crossed_high": "seeds x sequences high", "p": "p", "p_holm": "p (Holm)"},
        **{"probability": "P(better run)", "seeds_needed": "seeds to show it", "evidence": "evidence"},
    }
    if contrasts[["crossed_low", "boot_low"]].isna().all(axis=None):
        columns = {name: title for name, title in columns.items() if not name.startswith(("boot", "crossed"))}
    return Table(
        name="differences",
        caption=f"{metric} less that of {baseline.name} under the same seeds: mean, 95 % interval (paired t, or "
        "studentised bootstrap), p-values of the paired t-test, corrected for all methods by Holm. IQM: interquartile "
        "mean. P(better run): that a run of the method is above one of the baseline, failed ones below all.",
        data=contrasts.astype({"seeds_needed": float}),
        columns=columns,
        shows={
            **dict.fromkeys(("difference", "low", "high", "boot_low", "boot_high"), signed),
            **dict.fromkeys(("crossed_low", "crossed_high"), signed),
            **dict.fromkeys(("p", "p_holm"), probability),
            **dict.fromkeys(("seeds", "pairs", "failed", "seeds_needed"), count),
            "probability": percent,
        },
    )


def equal_cost(methods: Sequence[Method], baseline: Baseline | None) -> Table | None:
    """What a search for hard weights had found when it had cost what a method costs, and when it is as good.

    Args:
        methods: under the same conditions; imported ones and those of unknown cost are left out.
        baseline: whose validation MOTA is a target too.

    Returns:
        A line for each method and search, best method first; None without a search.
    """
    own = [method for method in methods if not method.imported and np.isfinite(method.device_seconds)]
    curves = {method.title: best_over_cost(method) for method in own if searches_hard_weights(method)}
    target = baseline.mean("val_mota") if baseline is not None else np.nan
    rows = []
    for method in own:
        mine = method.mean("val_mota")
        for search, curve in curves.items():
            if method.title != search:
                theirs = at_cost(curve, method.device_seconds)
                line = {"method": method.title, "device_seconds": method.device_seconds, "val_mota": mine}
                found = {"search": search, "search_mota": theirs, "difference": mine - theirs}
                reach = {"reach_method": _reached(curve, mine), "reach_baseline": _reached(curve, target)}
                rows.append(line | found | reach)
    if not rows:
        return None
    data = pd.DataFrame(rows).sort_values("val_mota", ascending=False, kind="stable", na_position="last")
    return Table(
        name="equal_cost",
        caption="At equal cost: validation MOTA of a method, and the best that a search had found by then (a grid: "
        "expected over the order of its points, or, with early stopping, as it ran; a search: as it ran, under the "
        "seed it chose by, which flatters it). Empty: the search had found nothing yet. Cost to reach: what the search "
        "spends until its best is at the method's, or the baseline's.",
        data=data,
        columns={
            **{"method": "method", "device_seconds": "device-seconds", "val_mota": "val MOTA", "search": "search"},
            **{"search_mota": "search at that cost", "difference": "difference"},
            **{"reach_method": "cost to reach it", "reach_baseline": "cost to reach the baseline"},
        },
        shows={
            **{"difference": signed, "device_seconds": count},
            **dict.fromkeys(
                ("reach_method", "reach_baseline"), lambda cost: "never" if np.isinf(cost) else count(cost)
            ),
        },
    )


def rank_table(stability: pd.DataFrame) -> Table:
    """How sure ranks are; see `analysis.stability.rank_stability`."""
    return Table(
        name="ranks",
        caption="Rank of every method's mean, 95 % of the ranks that it has in resampled seeds, and how often it is "
        "the first; with fewer than five seeds nothing is resampled.",
        data=stability,
        columns={
            **{"method": "method", "seeds": "seeds", "failed": "failed", "rank": "rank"},
            **{"low": "low", "high": "high", "first": "first"},
        },
        shows={
            **dict.fromkeys(("rank", "low", "high"), lambda value: MISSING if np.isnan(value) else f"{value:g}"),
            **{"first": percent, "seeds": count, "failed": count},
        },
    )


def importance_table(name: str, importances: pd.DataFrame) -> Table:
    """Which settings of a search decide; see `analysis.importance.importance`."""
    number = importances["configurations"].iloc[0]
    return Table(
        name=f"importance_{name}",
        caption=f"{name}: what explains validation MOTA, over {number} configurations. fANOVA: share of the variance; "
        "PED-ANOVA: what tells the best tenth from the rest.",
        data=importances,
        columns={"setting": "setting", "fanova": "fANOVA", "ped_anova": "PED-ANOVA"},
        shows={"fanova": percent, "ped_anova": percent},
    )


def cost_ledger(trials: pd.DataFrame, ledger: pd.DataFrame) -> Table:
    """Where the device-seconds of each study went, and whether all that was held is accounted for.

    Args:
        trials: rows of `trials`, own ones.
        ledger: rows of `ledger`.
    """
    parts = ["train_seconds", "eval_seconds", "startup_seconds", "lost_seconds", "overhead_seconds"]
    lines = trials.groupby("study")[parts].sum()
    held = ledger.assign(device_seconds=ledger["devices"] * ledger["held_seconds"])
    held = held[held["trial_id"].isna() | held["trial_id"].isin(trials["trial_id"])]
    lines["idle_seconds"] = held[held["trial_id"].isna()].groupby("study")["device_seconds"].sum()
    lines["total"] = held.groupby("study")["device_seconds"].sum()
    lines["idle_seconds"] = lines["idle_seconds"].mask(lines["total"].notna() & lines["idle_seconds"].isna(), 0.0)
    ended = trials.groupby("study")["status"].agg(
        trials="size", failed=lambda statuses: (~statuses.isin(["completed", "pruned"])).sum()
    )
    columns = {"study": "study", "trials": "trials", "failed": "not completed"}
    columns |= {name: name.removesuffix("_seconds") for name in parts}
    columns |= {"idle_seconds": "held for no trial", "total": "all"}
    return Table(
        name="cost_ledger",
        caption="Device-seconds held, by what they went into. Lost: work of attempts that broke off. Held for no "
        "trial: of the whole study. All: the ledger's sum, attempts that are under way included.",
        data=lines.join(ended).reset_index(),
        columns=columns,
        shows=dict.fromkeys(("trials", "failed", *parts, "idle_seconds", "total"), count),
    )


def failures(trials: pd.DataFrame, names: pd.Series) -> Table | None:
    """Trials that did not complete, and completed ones whose loss weights collapsed; None without any.

    Args:
        trials: rows of `trials`.
        names: of their methods, with the same index.
    """
    bad = ~trials["status"].isin(["completed", "pruned"])
    collapsed = trials["weighting_status"].notna() & (trials["weighting_status"] != "healthy")
    if not (bad | collapsed).any():
        return None
    data = trials[bad | collapsed].assign(method=names[bad | collapsed])
    columns = {
        **{"method": "method", "seed": "seed", "status": "status", "error": "error"},
        **{"weighting_status": "loss weights", "weighting_status_step": "since step"},
        **{"val_mota": "val MOTA", "device_seconds": "device-seconds", "trial_id": "trial"},
    }
    return Table(
        name="failures",
        caption="Trials that did not complete, and those whose loss weights collapsed, turned negative or went to one "
        "task. All are charged.",
        data=data,
        columns=columns,
        shows={**dict.fromkeys(("seed", "weighting_status_step", "device_seconds"), count), "val_mota": fraction},
    )


def _reached(curve: pd.DataFrame, target: float) -> float:
    """What it costs a search to reach a target; infinite if it never does, NaN without a target."""
    cost = cost_to_reach(curve, target)
    return np.inf if np.isnan(cost) and not np.isnan(target) else cost
