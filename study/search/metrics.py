"""By which figures of a trial a search or an early stopping may judge, and which way is better."""

import math
from typing import Any

from study.config import Study
from study.errors import UserError, nearest
from study.schema import DIAGNOSTICS, METRICS
from study.search_config import DEVICE_SECONDS, Population, Search

_LOWER_IS_BETTER = frozenset({"val_idsw", "val_fp", "val_fn", "val_frag", "val_ml", DEVICE_SECONDS})

METRIC_NAMES = tuple(f"val_{name}" for name in (*METRICS, *DIAGNOSTICS))
"""Validation metrics; test figures choose nothing, and weighted losses are not comparable between weightings."""


def better(name: str) -> int:
    """1 if more of this figure is better, else -1."""
    return -1 if name in _LOWER_IS_BETTER else 1


def is_figure(value: Any) -> bool:
    """Whether a figure was measured: a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def refuse_unknown_metrics(study: Study) -> None:
    """Check what a study judges by.

    Raises:
        UserError: a figure that is no validation metric, epochs without one where trials may stop, or a population
            whose trials may.
    """
    search, stopping = study.search, study.early_stopping
    if isinstance(search, Search):
        for i, name in enumerate(search.objectives):
            _check(f"search.objectives[{i}]", name, (*METRIC_NAMES, DEVICE_SECONDS))
    elif search is not None:
        _check("search.metric", search.metric, METRIC_NAMES)
        if search.epochs_per_generation % study.train.validate_every:
            raise UserError(
                f"search.epochs_per_generation is {search.epochs_per_generation}, and there are figures every "
                f"{study.train.validate_every} epochs only (train.validate_every); make it a multiple of that"
            )
    if stopping is not None:
        if isinstance(search, Population):
            raise UserError(
                "early_stopping: the members of a population (search) train side by side, and it replaces its worst "
                "itself; remove one of the two"
            )
        _check("early_stopping.metric", stopping.metric, METRIC_NAMES)
        if study.train.validate_every >= study.train.epochs:
            raise UserError(
                f"early_stopping: figures come every {study.train.validate_every} of {study.train.epochs} epochs "
                "(train.validate_every), so nothing would ever stop early; lower it"
            )


def _check(where: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UserError(f"{where}: {name!r} is no validation metric; {nearest(name, known)}")
