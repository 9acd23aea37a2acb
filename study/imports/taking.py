"""A past run under our names: settings, columns and series, each checked where it stands in its source."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.errors import UserError, nearest
from study.imports.names import COLUMNS, FIGURES, Naming, canonical, place_in_epochs
from study.imports.runs import Run
from study.imports.values import column_value, is_fraction, setting
from study.rows import flatten

_TEXTS = ("weighting.kind", "tracker.kind", "objective.name")


@dataclass(frozen=True)
class Options:
    """How past runs are taken.

    Attributes:
        naming: of the names of their sources.
        defaults: texts by our names, for runs that do not say them.
        percent: fractions are given as percentages.
        steps_per_epoch: steps of a series that make an epoch; 1 if its steps are epochs, counted from 0 or 1.
        data_hash: of runs that do not say it.
    """

    naming: Naming
    defaults: Mapping[str, str] = field(default_factory=dict)
    percent: bool = False
    steps_per_epoch: int = 1
    data_hash: str = "imported"


@dataclass(frozen=True)
class Taken:
    """A past run under our names.

    Attributes:
        run: as its source tells it.
        settings: by dotted key.
        columns: of `trials`, and `data_name`.
        series: values by step.
        places: where each of these stands, for messages.
    """

    run: Run
    settings: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    series: dict[str, dict[int, float]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)


def take(run: Run, options: Options) -> Taken:
    """Take a run's values and series under our names; its status is completed unless it says otherwise.

    Raises:
        UserError: an unknown name, two names of one thing, or a value that does not fit.
    """
    taken = Taken(run, columns={name: fact for name, fact in run.facts.items() if fact is not None})
    for theirs in run.names:
        ours = options.naming.ours(theirs, run)
        if ours is None:
            continue
        place, series = run.place(theirs), run.series.get(theirs, {})
        if series:
            taken.series[ours] = _series(ours, series, place, options)
        _set(taken, ours, series[max(series)] if series else run.values[theirs], place, options)
    for key, text in options.defaults.items():
        ours = canonical(key) or key
        if ours not in taken.settings and ours not in taken.columns:
            taken.places.pop(ours, None)  # of an empty cell
            _set(taken, ours, text, f"--set {key}", options)
    taken.columns.setdefault("status", "completed")
    return taken


def check_names(runs: Sequence[Run], options: Options) -> None:
    """Refuse options about names that no run has.

    Raises:
        UserError: naming the option, with the nearest name.
    """
    seen = {name for run in runs for name in run.names}
    for theirs, ours in options.naming.renamed.items():
        if theirs not in seen:
            raise UserError(f"--map {theirs}={ours}: no run has {theirs!r}; {nearest(theirs, seen)}")
    tables = {run.source: run.values for run in runs if run.name is None}
    for name in options.naming.name_columns:
        if not tables:
            raise UserError(f"--name-columns {name}: is for CSV files, and there is none; other runs have names")
        for source, values in tables.items():
            if name not in values:
                raise UserError(f"--name-columns {name}: no such column in {source}; {nearest(name, values)}")
    for key in options.defaults:
        shared = canonical(key)
        if shared is None or shared in FIGURES or place_in_epochs(shared):
            raise UserError(f"--set {key}: nothing that past runs share; {nearest(key, set(COLUMNS) - FIGURES)}")


def check_percent(runs: Iterable[Taken]) -> None:
    """Refuse fractions that were taken for percentages.

    Raises:
        UserError: naming the first of a column without a value above one percent.
    """
    given: dict[str, list[Taken]] = {}
    for taken in runs:
        for name in taken.columns:
            given.setdefault(name, []).append(taken)
    for name, holders in given.items():
        if is_fraction(COLUMNS[name]) and 0 < max(abs(taken.columns[name]) for taken in holders) <= 0.01:
            raise UserError(
                f"{holders[0].places[name]}: no value is above 1, so these are no percentages: leave out --percent"
            )


def check_types(runs: Iterable[Taken], present: Iterable[Mapping[str, Any]] = ()) -> None:
    """Refuse a setting that is a number in one run and text, a list or a truth in another.

    Args:
        runs: past runs.
        present: rows of `trials` that they come to.

    Raises:
        UserError: naming both places.
    """
    kinds: dict[str, dict[str, str]] = {}
    for row in present:
        for key, value in flatten(json.loads(row["configuration"])).items():
            if value is not None:
                kinds.setdefault(key, {}).setdefault(_kind(value), f"trial {row['trial_id']}")
    for taken in runs:
        for key, value in taken.settings.items():
            known = kinds.setdefault(key, {_kind(value): taken.run.where})
            if _kind(value) not in known:
                kind, where = next(iter(known.items()))
                raise UserError(f"{taken.places[key]}: {value!r} is {_kind(value)}, but {key} is {kind} in {where}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth"
    return "a number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "a list"


def _set(taken: Taken, ours: str, value: Any, place: str, options: Options) -> None:
    if ours in taken.places:
        raise UserError(f"{place}: is {ours}, and so is {taken.places[ours]}; --ignore one of them")
    taken.places[ours] = place
    if ours in COLUMNS:
        read = column_value(COLUMNS[ours], value, place, percent=options.percent)
        if read is not None:
            taken.columns[ours] = read
    elif place_in_epochs(ours) is None:
        read = str(value).strip() or None if ours in _TEXTS else setting(value, place)
        for key, inner in (flatten(read, f"{ours}.") if isinstance(read, dict) else {ours: read}).items():
            if key in taken.settings:
                raise UserError(f"{place}: sets {key}, and so does {taken.places[key]}; --ignore one of them")
            if inner is not None:
                taken.settings[key] = inner
                taken.places[key] = place


def _series(ours: str, series: Mapping[int, float], place: str, options: Options) -> dict[int, float]:
    if ours not in COLUMNS:
        return dict(series)
    read = {
        step: column_value(COLUMNS[ours], value, f"{place}, step {step}", percent=options.percent)
        for step, value in series.items()
    }
    return {step: value for step, value in read.items() if value is not None}
