"""Which weighting should we use, and what does it cost: one line a method, its search charged to it."""

import json
import math
from dataclasses import dataclass

import pandas as pd

from analysis.leaderboard import marked, varying
from analysis.seeds import fewer_seeds, judging, mean_over_seeds
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


@dataclass(frozen=True, eq=False)
class Method:
    """A weighting with its options; its learning rate or hard loss weights are searched, and one setting is chosen.

    Attributes:
        study: name of the study.
        data_hash: of the data.
        name: of the method, with a mark if its rows were imported.
        title: the name, with the study's before it where the methods are of several.
        settings: the searched settings of the chosen configuration, in words.
        trials: all its rows of `trials`.
        chosen: those of the configuration that was chosen; if none completed under every seed, of the one that
            completed most.
        judged: those of the chosen that count in means (`analysis.seeds.judging`).
    """

    study: str
    data_hash: str
    name: str
    title: str
    settings: str
    trials: pd.DataFrame
    chosen: pd.DataFrame
    judged: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether the chosen configuration completed under every seed, and has its figures."""
        return _complete(self.chosen)

    @property
    def rows(self) -> pd.DataFrame:
        """Rows that figures and comparisons are of: the judged ones, or all chosen ones where a seed is missing."""
        return self.judged if self.complete else self.chosen

    @property
    def failed(self) -> int:
        """How many seeds of the chosen configuration did not complete, those ended early (pruned) left aside."""
        return int((~self.chosen["status"].isin(["completed", "pruned"])).sum())

    @property
    def kind(self) -> str:
        """Of its weighting."""
        return str(self.trials["weighting"].iloc[0])

    @property
    def configurations(self) -> int:
        """How many were tried."""
        return int(self.trials["configuration_id"].nunique())

    def mean(self, metric: str) -> float:
        """Mean of a metric over the judged seeds; NaN if a seed of the chosen configuration did not complete."""
        return mean_over_seeds(self.judged, metric) if self.complete else math.nan

    @property
    def device_seconds(self) -> float:
        """Cost of all its trials, failed ones too; NaN if one's is unknown."""
        return float(self.trials["device_seconds"].sum(skipna=False))

    @property
    def imported(self) -> bool:
        """Whether its rows are of another platform."""
        return bool(self.trials["imported_from"].notna().any())


def find_methods(trials: pd.DataFrame) -> list[Method]:
    """The methods of some studies, each with the configuration that is chosen for it.

    A method's configuration is chosen by the mean validation MOTA of its seeds, among those whose every seed completed,
    and of these among those with the most seeds: the best of many single trials is partly luck, and for the same reason
    the seed that a search chose by does not count (`analysis.seeds.judging`).

    Args:
        trials: rows of `trials`, as `study.results.load` gives them.

    Returns:
        One for each method of each study and data set, in the order of the rows; imported rows by themselves. Where a
        study varies more than the weighting, such as the objective, a method of each: a choice among those is no
        search for weights.
    """
    settings = varying(trials)
    searched = _searched(trials, settings)
    imported = trials["imported_from"].notna()
    # Of imported rows the weighting alone is sure to be comparable.
    within = {name for _, rows in trials[~imported].groupby("study") for name in varying(rows)}
    others = [name for name in settings if name in within and not name.startswith("weighting.")]
    told_apart = trials.astype(dict.fromkeys(others, object))
    told_apart.loc[imported, others] = None
    options = [name for name in settings if name not in searched and (name in others or name.startswith("weighting."))]
    keys = ["study", "data_hash", "weighting", *options, imported]
    alike = [group for _, group in told_apart.groupby(keys, sort=False, dropna=False)]
    firsts = [group.iloc[0].to_dict() for group in alike]
    groups = [trials.loc[group.index] for group in alike]
    counts = judging(trials)
    several = trials["study"].nunique() > 1
    found = []
    for group, told in zip(groups, labels(firsts, options), strict=True):
        chosen, study = _chosen(group, counts), group["study"].iloc[0]
        kind = group["weighting"].iloc[0]
        rest = " ".join(told.replace(f"weighting={kind}", "", 1).split())
        name = marked(f"{kind} {rest}".strip(), group)
        found.append(
            Method(
                study=study,
                data_hash=group["data_hash"].iloc[0],
                name=name,
                title=f"{study}: {name}" if several else name,
                settings=labels([chosen.iloc[0].to_dict()], searched)[0],
                trials=group,
                chosen=chosen,
                judged=chosen[counts[chosen.index]],
            )
        )
    return found


def methods(trials: pd.DataFrame) -> pd.DataFrame:
    """Compare methods (`find_methods`): a weighting with its options, by the figures of its chosen configuration.

    A method's cost is the cost of all its trials, failed ones too. Methods are ranked as configurations are: one whose
    configuration completed fewer seeds than others of the study stands below those.

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
    found = find_methods(trials)
    table = pd.DataFrame([_line(method) for method in found], columns=list(COLUMNS))
    table["_fewer"] = [fewer_seeds(method.chosen, trials) if method.complete else len(trials) for method in found]
    table = table.sort_values(["_fewer", "val_mota"], ascending=[True, False], kind="stable", na_position="last")
    table = table.drop(columns="_fewer").reset_index(drop=True)
    table.index = pd.RangeIndex(1, len(table) + 1, name="rank")
    return table


def _searched(trials: pd.DataFrame, settings: list[str]) -> list[str]:
    """Those of the settings that a search chose: by any method's nature, or in this study (column `suggested`)."""
    suggested = {name.partition("[")[0] for text in trials["suggested"].dropna() for name in json.loads(text)}
    names = {*SEARCHED, *suggested} - {"weighting"}
    return [name for name in settings if name in names or name.startswith(tuple(f"{chosen}." for chosen in names))]


def _complete(rows: pd.DataFrame) -> bool:
    return bool((rows["status"] == "completed").all() and rows["val_mota"].notna().all())


def _chosen(group: pd.DataFrame, counts: pd.Series) -> pd.DataFrame:
    """Rows of the configuration that a method is judged by."""

    def quality(rows: pd.DataFrame) -> tuple[bool, int, float]:
        mean = rows.loc[counts[rows.index], "val_mota"].mean(skipna=False)
        completed = int((rows["status"] == "completed").sum())
        return _complete(rows), completed, -math.inf if math.isnan(mean) else float(mean)

    return max((rows for _, rows in group.groupby("configuration_id", sort=False)), key=quality)


def _line(method: Method) -> dict[str, object]:
    line: dict[str, object] = {
        "study": method.study,
        "method": method.name,
        "configurations": method.configurations,
        "trials": len(method.trials),
        "device_seconds": method.device_seconds,
        "weighting_status": _statuses(method.trials["weighting_status"]),
    }
    if not method.complete:
        return line | {"chosen": "", "seeds": 0, "judged": 0}
    figures = method.judged[list(METRICS)].astype(float)
    return (
        line
        | {"chosen": method.settings, "seeds": len(method.chosen), "judged": len(figures)}
        | figures.mean(skipna=False).to_dict()
        | {f"{metric}_sd": spread for metric, spread in figures.std(skipna=False).items()}
    )


def _statuses(statuses: pd.Series) -> str:
    """How many trials ended with which status of their loss weights; empty if all were healthy."""
    counts = {status: int((statuses == status).sum()) for status in WEIGHTING_STATUSES if status != "healthy"}
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if count)
