"""Rows of `trials` and `epochs` for past runs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.config import digest
from study.errors import UserError
from study.imports.names import FIGURES, place_in_epochs
from study.imports.runs import Run
from study.imports.taking import Options, Taken, check_names, check_percent, check_types, take
from study.rows import cell
from study.schema import SCHEMA_VERSION

NO_SEED = -1
"""Seed of a run that does not say it."""


@dataclass(frozen=True)
class Imported:
    """A past run, its row of `trials`, and its rows of `epochs` if its source has series."""

    taken: Taken
    trial: dict[str, Any]
    epochs: list[dict[str, Any]]


def make_rows(runs: Sequence[Run], options: Options) -> tuple[list[Imported], list[Run]]:
    """Rows of past runs, and the runs that were left out: of folders, those that completed without any figure.

    Raises:
        UserError: a mistake in a run or in the options, two runs that cannot be told apart, or a CSV row that completed
            without any figure.
    """
    check_names(runs, options)
    whole: list[Taken] = []
    empty: list[Taken] = []
    for run in runs:
        taken = take(run, options)
        (whole if _is_whole(taken) else empty).append(taken)
    if options.percent:
        check_percent(whole)
    check_types(whole)
    imported: dict[str, Imported] = {}
    for taken in whole:
        made = _make(taken, options)
        other = imported.setdefault(made.trial["trial_id"], made)
        if other is not made:
            raise UserError(
                f"{taken.run.where}: the same run as {other.taken.run.where}; seeds or --name-columns tell runs apart"
            )
    return list(imported.values()), [taken.run for taken in empty]


def _is_whole(taken: Taken) -> bool:
    """Whether a run says enough for a row; folders often hold runs without figures, such as those that hold others."""
    run = taken.run
    if taken.columns["status"] == "completed" and not FIGURES & taken.columns.keys():
        if run.name is not None:
            return False
        raise UserError(f"{run.where}: completed without a figure such as val_mota; say its status, or remove the row")
    if "weighting.kind" not in taken.settings:
        raise UserError(f"{run.where}: no weighting; say --map THEIRS=weighting, or --set weighting=KIND")
    return True


def _make(taken: Taken, options: Options) -> Imported:
    run, columns, settings = taken.run, dict(taken.columns), taken.settings
    configuration = _nest(taken)
    data_name = columns.pop("data_name", None)
    data_hash = columns.pop("data_hash", None) or (digest(data_name) if data_name else options.data_hash)
    seed = columns.pop("seed", NO_SEED)
    epochs = _epoch_rows(taken.series, options.steps_per_epoch)
    if epochs:
        columns.setdefault("epochs", max(row["epoch"] for row in epochs))
    trial = {
        "trial_id": digest(["imported", *_name(run, options, [configuration, seed, data_hash])]),
        "configuration_id": digest(configuration),
        "seed": seed,
        "data_hash": data_hash,
        "weighting": settings["weighting.kind"],
        "objective": settings.get("objective.name"),
        "tracker": settings.get("tracker.kind"),
        "configuration": json.dumps(configuration, sort_keys=True),
        "imported_from": run.file,
        "schema_version": SCHEMA_VERSION,
        **columns,
        **{key: cell(value) for key, value in settings.items()},
    }
    return Imported(taken, trial, epochs)


def _name(run: Run, options: Options, otherwise: Sequence[Any]) -> Sequence[Any]:
    """What tells a run apart from all others, wherever its file lies."""
    if run.name is not None:
        return run.name
    return [run.file.rpartition("/")[2], *([run.values[name] for name in options.naming.name_columns] or otherwise)]


def _nest(taken: Taken) -> dict[str, Any]:
    """Settings by dotted key as a configuration."""
    configuration: dict[str, Any] = {}
    for key, value in sorted(taken.settings.items()):
        node = configuration
        *parents, last = key.split(".")
        for depth, part in enumerate(parents, start=1):
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                whole = ".".join(parents[:depth])
                raise UserError(
                    f"{taken.places[key]}: {key} is part of {whole}, which {taken.places[whole]} sets already"
                )
        node[last] = value
    return configuration


def _epoch_rows(series: Mapping[str, Mapping[int, float]], steps_per_epoch: int) -> list[dict[str, Any]]:
    """Rows of `epochs` for series of more than one value: means of losses, the last metrics of each epoch."""
    places = {name: place_in_epochs(name) for name, values in series.items() if len(values) > 1}
    from_zero = steps_per_epoch == 1 and any(0 in series[name] for name in places)
    collected: dict[tuple[int, str, str], dict[str, list[float]]] = {}
    for name, place in places.items():
        if place is not None:
            split, task, column = place
            for step, value in sorted(series[name].items()):
                epoch = step + 1 if from_zero else max(1, math.ceil(step / steps_per_epoch))
                collected.setdefault((epoch, split, task), {}).setdefault(column, []).append(value)
    return [
        {"epoch": epoch, "split": split, "task": task}
        | {name: math.fsum(values) / len(values) if task else values[-1] for name, values in columns.items()}
        for (epoch, split, task), columns in sorted(collected.items())
    ]
