"""Which configuration is best, by how much, at what cost: one line a configuration."""

from collections.abc import Sequence

import pandas as pd

from analysis.seeds import fewer_seeds, judging
from study.results import labels
from study.schema import STATUSES

MEANS = ("val_mota", "val_idf1", "val_hota", "test_mota", "test_idf1")
"""Metrics of the leaderboard."""

COLUMNS = (
    "study",
    "configuration_id",
    "configuration",
    "weighting",
    "seeds",
    "completed",
    "judged",
    *MEANS,
    "val_mota_sd",
    "device_seconds",
    "status",
)
"""Columns of the leaderboard."""

IMPORTED = " (imported)"
"""What names of imported rows end with."""


def leaderboard(trials: pd.DataFrame, metric: str = "val_mota") -> pd.DataFrame:
    """Rank the configurations by a metric, those with the most completed seeds of their study first.

    A search tries most configurations under one seed, and its finalists under all: the best of many single trials is
    partly luck, so a configuration ranks below those that completed more seeds, and the seed that chose the finalists
    does not count in their means (`analysis.seeds.judging`). Means are over completed seeds only, and say over how
    many: a configuration with any other seed keeps its line, names what happened in `status`, and ranks below those of
    which every seed completed. Nothing else is skipped: a metric that a completed seed lacks has no mean.

    Args:
        trials: rows of `trials`, as `study.results.load` gives them.
        metric: column of `trials` that ranks, larger is better.

    Returns:
        One row a configuration (of each study and data set; imported rows by themselves, and marked), best first,
        indexed by rank from 1: study, configuration_id, configuration (the settings that vary, in words), weighting,
        seeds, completed (how many seeds did), judged (over how many of them the means are), means of validation and
        test metrics (fractions; the one that ranks among them), val_mota_sd (sample standard deviation over the same
        seeds), device_seconds (of all seeds, failed ones too; NaN if one's is unknown) and status.
    """
    settings = varying(trials)
    keys = ["study", "data_hash", "configuration_id", trials["imported_from"].notna()]
    groups = [group for _, group in trials.groupby(keys, sort=False)]
    told = labels([group.iloc[0].to_dict() for group in groups], settings)
    counts = judging(trials)
    means = list(dict.fromkeys([*MEANS, metric]))
    lines = [_line(group, group[counts[group.index]], text, means) for group, text in zip(groups, told, strict=True)]
    board = pd.DataFrame(lines, columns=[*COLUMNS, *(name for name in means if name not in MEANS)])
    board["_partial"] = board["completed"] < board["seeds"]
    board["_fewer"] = [fewer_seeds(group, trials) for group in groups]
    order = ["_partial", "_fewer", metric]
    board = board.sort_values(order, ascending=[True, True, False], kind="stable", na_position="last")
    board = board.drop(columns=["_partial", "_fewer"]).reset_index(drop=True)
    board.index = pd.RangeIndex(1, len(board) + 1, name="rank")
    return board


def marked(text: str, group: pd.DataFrame) -> str:
    """The name of a group of trials, with a mark if they were imported."""
    return text + IMPORTED if group["imported_from"].notna().any() else text


def varying(trials: pd.DataFrame) -> list[str]:
    """Columns of settings that differ between these rows."""
    return [name for name in trials.columns if "." in name and trials[name].nunique(dropna=False) > 1]


def _line(group: pd.DataFrame, judged: pd.DataFrame, text: str, means: Sequence[str]) -> dict[str, object]:
    first = group.iloc[0]
    return {
        "study": first["study"],
        "configuration_id": first["configuration_id"],
        "configuration": marked(text or first["weighting"], group),
        "weighting": first["weighting"],
        "seeds": len(group),
        "completed": (group["status"] == "completed").sum(),
        "judged": len(judged),
        **{name: judged[name].astype(float).mean(skipna=False) for name in means},
        "val_mota_sd": judged["val_mota"].astype(float).std(skipna=False),
        "device_seconds": group["device_seconds"].sum(skipna=False),
        "status": _status(group["status"]),
    }


def _status(statuses: pd.Series) -> str:
    """`completed` if all did, else what happened how often: `2 completed, 1 diverged`."""
    counts = {status: int((statuses == status).sum()) for status in STATUSES}
    seen = [f"{count} {status}" for status, count in counts.items() if count]
    return seen[0].partition(" ")[2] if len(seen) == 1 else ", ".join(seen)
