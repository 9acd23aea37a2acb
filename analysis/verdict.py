"""What follows from the statistics, in plain words; and where nothing follows, that it does not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.contrasts import Baseline
from analysis.expected_best import is_search, searches_hard_weights
from analysis.formats import metric_name
from analysis.methods import Method

WORTH = 0.02
"""Difference in MOTA for which it is said how many seeds would show it."""

_NAMED = 6
"""Methods that a sentence names; of more it gives the number."""

_ENOUGH = 5
"""Seeds from which intervals and corrections have something to work with."""


@dataclass(frozen=True)
class Verdict:
    """The answer of a comparison.

    Attributes:
        headline: the answer in one sentence.
        sentences: what it rests on, and what it does not say.
        settled: whether there is enough evidence for an answer.
    """

    headline: str
    sentences: tuple[str, ...]
    settled: bool


def judge(methods: Sequence[Method], baseline: Baseline | None, contrasts: pd.DataFrame | None, metric: str) -> Verdict:
    """Say what the statistics say.

    Args:
        methods: under the same conditions.
        baseline: what they were held against; None if there is none.
        contrasts: `analysis.contrasts.contrasts` of these; None without a baseline.
        metric: column of `trials` that they were held against it by.

    Returns:
        The best claim that holds for all methods together; without one the advice to take the cheapest that cannot be
        told from the best. Every number is one of the tables.
    """
    own = [method for method in methods if not method.imported]
    name = metric_name(metric)
    complete = [method for method in own if method.complete]
    if not complete:
        return Verdict("Nothing can be said: no method completed under every seed.", tuple(_lost(own)), False)
    if baseline is None or contrasts is None:
        return _without_baseline(own, complete, metric)
    theirs = baseline.mean(metric)
    if np.isnan(theirs):
        text = f"Nothing can be said: the baseline {baseline.name} did not complete under every seed."
        return Verdict(text, tuple(_lost(own)), False)
    if contrasts.empty:
        text = f"Nothing to compare: {baseline.name} is the only method ({name} {theirs:.3f})."
        return Verdict(text, tuple(_seeds(own)), False)
    better, settled = contrasts[contrasts["evidence"] == "better"], bool((contrasts["pairs"] > 1).any())
    if len(better):
        best = better.loc[better["difference"].idxmax()]
        headline = (
            f"On these data {_named(best)} beats {baseline.name} by {best['difference']:.3f} {name} "
            f"[{best['low']:.3f}, {best['high']:.3f}], at {_times(best['device_seconds'], baseline.device_seconds)} "
            "its cost."
        )
    elif not settled:
        highest = _highest(contrasts, baseline, theirs)
        why = _unsettled(contrasts, baseline)
        headline = f"Too little evidence: {why}. The highest {name} is {highest}."
    else:
        pairs = int(contrasts["pairs"].max())
        needs = "" if baseline.searched else " needs no search, and"
        cost = (
            "an unknown cost" if np.isnan(baseline.device_seconds) else f"{baseline.device_seconds:,.0f} device-seconds"
        )
        headline = (
            f"No method is shown to beat {baseline.name} on these data, with {pairs} seeds; it{needs} costs {cost} "
            f"({name} {theirs:.3f})."
        )
    sentences = [
        *_others(contrasts, baseline, better),
        *_search(own, baseline, contrasts, name),
        *_power(contrasts, name),
        *_collapsed(own),
        *_lost(own),
        *_seeds(own),
        *_split(metric),
    ]
    return Verdict(headline, tuple(sentences), settled)


def _without_baseline(own: Sequence[Method], complete: Sequence[Method], metric: str) -> Verdict:
    best = max(complete, key=lambda method: _or_lowest(method.mean(metric)))
    headline = (
        "No claim: these rows hold no plain sum of losses that ran its course (--baseline names another method). The "
        f"highest {metric_name(metric)} is {best.mean(metric):.3f}, of {best.title} {best.settings}".rstrip()
        + f", over {len(best.judged)} seed{'s' if len(best.judged) > 1 else ''}."
    )
    sentences = [*_collapsed(own), *_lost(own), *_seeds(own), *_split(metric)]
    return Verdict(headline, tuple(sentences), False)


def _unsettled(contrasts: pd.DataFrame, baseline: Baseline) -> str:
    """Why there is no interval."""
    if (contrasts["evidence"] == "one seed").any() or (contrasts["pairs"] == 1).any():
        return "one seed has no interval"
    if (contrasts["evidence"] == "no common seed").any():
        return f"{baseline.name} ran under no seed that the others are judged by"
    return f"besides {baseline.name} no method completed under every seed"


def _highest(contrasts: pd.DataFrame, baseline: Baseline, theirs: float) -> str:
    means = contrasts["mean"].dropna()
    if means.empty or means.max() <= theirs:
        return f"{theirs:.3f}, of {baseline.name}"
    return f"{means.max():.3f}, of {_named(contrasts.loc[means.idxmax()])}"


def _others(contrasts: pd.DataFrame, baseline: Baseline, better: pd.DataFrame) -> list[str]:
    """What is claimed of the other methods, and what is not."""
    lines = []
    if len(better) > 1:
        lines.append(f"Also better: {_listed(better.drop(better['difference'].idxmax()))}.")
    worse = contrasts[contrasts["evidence"] == "worse"]
    if len(worse):
        lines.append(f"Worse than {baseline.name}: {_listed(worse)}.")
    undecided = contrasts[contrasts["evidence"] == "undecided"]
    if len(undecided):
        lines.append(f"Cannot be told from {baseline.name}: {_listed(undecided)}.")
        low = undecided[(undecided["high"] < 0) | (undecided["low"] > 0)]
        if len(low):
            lines.append(
                f"Of these, {_listed(low)} would differ if nothing else had been compared; among {len(contrasts)} "
                "comparisons that is not enough."
            )
    for evidence, text in (
        ("other settings", "Not compared, since what they chose differs in more than the weighting"),
        ("no common seed", f"Not compared, since they were judged under other seeds than {baseline.name}"),
        ("no figure", "Not compared, since they lack the figure"),
    ):
        left = contrasts[contrasts["evidence"] == evidence]
        if len(left):
            lines.append(f"{text}: {_listed(left)}.")
    identical = contrasts[contrasts["evidence"] == "identical"]
    if len(identical):
        lines.append(f"The same as {baseline.name} to the last digit: {_listed(identical)}.")
    return lines


def _search(own: Sequence[Method], baseline: Baseline, contrasts: pd.DataFrame, name: str) -> list[str]:
    """What searches cost, and whether they found anything that needs no search."""
    lines = []
    for method in own:
        if not searches_hard_weights(method):
            continue
        line = contrasts[contrasts["method"] == method.title]
        if line.empty:
            continue
        how = "suggested by a sampler" if is_search(method) else "of a grid"
        found = line.iloc[0]
        gain = "no mean" if np.isnan(found["difference"]) else f"{found['difference']:+.3f} {name}"
        lines.append(
            f"The search for hard weights in {method.study} ({method.configurations} configurations {how}) cost "
            f"{method.device_seconds:,.0f} device-seconds, {_times(method.device_seconds, baseline.device_seconds)} "
            f"the baseline's; it chose {method.settings or 'its only setting'}: {gain}."
        )
    return lines


def _power(contrasts: pd.DataFrame, name: str) -> list[str]:
    """How small a difference could have been seen."""
    widths = ((contrasts["high"] - contrasts["low"]) / 2).dropna()
    if widths.empty:
        return []
    width = float(widths.median())
    text = f"The typical interval is ± {width:.3f} {name}: smaller differences cannot be seen with these seeds."
    pairs = contrasts.loc[widths.index, "pairs"]
    if width > WORTH:
        # Half widths shrink with the square root of the number of seeds, and with Student's factor beside it.
        median = float(pairs.median())
        needed = math.ceil(median * (width / WORTH) ** 2 / _student(median) + 2)
        text += f" For ± {WORTH:.2f} it takes about {needed} seeds."
    return [text]


def _student(pairs: float) -> float:
    """By how much an interval of so few seeds is wider, squared, than one whose spread is known."""
    return float((stats.t.ppf(0.975, pairs - 1) / stats.norm.ppf(0.975)) ** 2)


def _collapsed(own: Sequence[Method]) -> list[str]:
    lines = []
    for status, text in (
        ("collapsed", "Loss weights vanished"),
        ("reversed", "Loss weights turned negative"),
        ("one_task", "One task took all loss weight"),
    ):
        counts = {method.title: (method.trials["weighting_status"] == status).sum() for method in own}
        sizes = {method.title: len(method.trials) for method in own}
        found = [f"{name} ({count} of {sizes[name]} trials)" for name, count in counts.items() if count]
        if found:
            lines.append(f"{text}: {', '.join(found)}.")
    return lines


def _lost(own: Sequence[Method]) -> list[str]:
    """Seeds that failed, of what each method chose, and trials that failed elsewhere."""
    lines = []
    failed = [method for method in own if not method.complete]
    if failed:
        parts = []
        for method in failed:
            statuses = method.chosen.loc[method.chosen["status"] != "completed", "status"].value_counts().sort_index()
            parts.append(f"{method.title} ({', '.join(f'{count} {status}' for status, count in statuses.items())})")
        lines.append(f"Did not complete under every seed, and so have no mean: {', '.join(parts)}.")
    broken = sum(int((~method.trials["status"].isin(["completed", "pruned"])).sum()) for method in own)
    if broken:
        lines.append(
            f"{broken} of {sum(len(method.trials) for method in own)} trials did not complete; all are charged."
        )
    return lines


def _seeds(own: Sequence[Method]) -> list[str]:
    numbers = {len(method.judged) for method in own if method.complete}
    if not numbers:
        return []
    if numbers == {1}:
        return ["One seed a configuration: no interval, and no claim; seeds differ by more than most methods do."]
    least = min(numbers)
    if least < _ENOUGH:
        return [f"{least} seeds are few: only large differences can be claimed, and the bootstrap needs {_ENOUGH}."]
    return []


def _split(metric: str) -> list[str]:
    if metric.startswith("test"):
        return []
    return ["There are no test figures: these are of the validation split, which also chose the configurations."]


def _or_lowest(value: float) -> float:
    return -np.inf if np.isnan(value) else value


def _named(line: pd.Series) -> str:
    return f"{line['method']} ({line['chosen']})" if line["chosen"] else str(line["method"])


def _listed(lines: pd.DataFrame) -> str:
    names = list(lines["method"])
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _times(cost: float, baseline: float) -> str:
    if np.isnan(cost) or np.isnan(baseline) or baseline <= 0:
        return "an unknown multiple of"
    return f"{cost / baseline:.1f} times"
