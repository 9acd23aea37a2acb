"""Which weighting should we use, and what does it cost: one line a method, its search charged to it."""

import json

import pandas as pd

from analysis.leaderboard import marked, varying
from analysis.seeds import fewer_seeds, judging
from study.collapse import WEIGHTING_STATUSES
from study.results import labels

SEARCHED = ("weighting.lr", "weighting.loss_weights", "weighting.stages")
"""Settings that a method's own search chooses; any other setting makes another method, unless the study searches it."""

METRICS = ("val_mota", "val_idf1", "val_hota", "test_mota", "test_idf1", "test_hota")

COLUMNS = (
    "study",
    "method",
    "chosen",
    "configurations",
    "trials",
    "seeds",
    "judged",
    *METRICS,
    *(f"{name}_sd" for name in METRICS),
    "device_seconds",
    "weighting_status",
)
"""Columns of the table of methods."""


def methods(trials: pd.DataFrame) -> pd.DataFrame:
    """Compare methods: a weighting with its options, without what is searched (learning rate, hard loss weights).

    A method's configuration is chosen by the mean validation MOTA of its seeds, among those whose every seed completed,
    and of these among those with the most seeds: the best of many single trials is partly luck, and for the same reason
    the seed that a search chose by does not count (`analysis.seeds.judging`). The other figures are that
    configuration's. Its cost is the cost of all the method's trials, failed ones too. Methods are ranked alike:
    one whose configuration completed fewer seeds than others of the study stands below those.

    Args:
        trials: rows of `trials`, as `study.results.load` gives them.

    Returns:
        One row a method (of each study and data set; imported rows by themselves, and marked), best first, indexed by
        rank from 1: study, method, chosen (the searched settings), configurations and trials tried, seeds of the chosen
        one, judged (over how many of them its means are), means of its metrics (fractions) with sample standard
        deviations (`_sd`) over the same seeds, device_seconds of all trials (NaN if one's is unknown), weighting_status
        (how many of all trials ended with vanished or one-sided loss weights). A method without a completed
        configuration has no figures and stands last.
    """
    settings = varying(trials)
    searched = _searched(trials, settings)
    options = [name for name in settings if name.startswith("weighting.") and name not in searched]
    keys = ["study", "data_hash", "weighting", *options, trials["imported_from"].notna()]
    groups = [group for _, group in trials.groupby(keys, sort=False, dropna=False)]
    firsts = [group.iloc[0].to_dict() for group in groups]
    names = labels(firsts, options)
    counts = judging(trials)
    lines = [
        _line(
            group,
            counts,
            trials,
            marked(name.removeprefix("weighting=") or group["weighting"].iloc[0], group),
            searched,
        )
        for group, name in zip(groups, names, strict=True)
    ]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    table["_fewer"] = [line["_fewer"] for line in lines]
    table = table.sort_values(["_fewer", "val_mota"], ascending=[True, False], kind="stable", na_position="last")
    table = table.drop(columns="_fewer").reset_index(drop=True)
    table.index = pd.RangeIndex(1, len(table) + 1, name="rank")
    return table


def _searched(trials: pd.DataFrame, settings: list[str]) -> list[str]:
    """Those of the settings that a search chose: by any method's nature, or in this study (column `suggested`)."""
    suggested = {name.partition("[")[0] for text in trials["suggested"].dropna() for name in json.loads(text)}
    names = {*SEARCHED, *suggested} - {"weighting"}
    return [name for name in settings if name in names or name.startswith(tuple(f"{chosen}." for chosen in names))]


def _line(
    group: pd.DataFrame, counts: pd.Series, trials: pd.DataFrame, name: str, searched: list[str]
) -> dict[str, object]:
    candidates = [
        (float(rows.loc[counts[rows.index], "val_mota"].mean(skipna=False)), rows)
        for _, rows in group.groupby("configuration_id", sort=False)
        if (rows["status"] == "completed").all() and rows["val_mota"].notna().all()
    ]
    line: dict[str, object] = {
        "study": group["study"].iloc[0],
        "method": name,
        "configurations": group["configuration_id"].nunique(),
        "trials": len(group),
        "device_seconds": group["device_seconds"].sum(skipna=False),
        "weighting_status": _statuses(group["weighting_status"]),
    }
    if not candidates:
        return line | {"chosen": "", "seeds": 0, "judged": 0, "_fewer": len(trials)}
    _, chosen = max(candidates, key=lambda candidate: (len(candidate[1]), candidate[0]))
    figures = chosen.loc[counts[chosen.index], list(METRICS)].astype(float)
    return (
        line
        | {
            "chosen": labels([chosen.iloc[0].to_dict()], searched)[0],
            "seeds": len(chosen),
            "judged": len(figures),
            "_fewer": fewer_seeds(chosen, trials),
        }
        | figures.mean(skipna=False).to_dict()
        | {f"{metric}_sd": spread for metric, spread in figures.std(skipna=False).items()}
    )


def _statuses(statuses: pd.Series) -> str:
    """How many trials ended with which status of their loss weights; empty if all were healthy."""
    counts = {status: int((statuses == status).sum()) for status in WEIGHTING_STATUSES if status != "healthy"}
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if count)
