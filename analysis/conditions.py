"""Which trials may be compared: same data, and same configuration in all that is not the weighting or searched."""

import json
from collections.abc import Sequence

import pandas as pd

from study.results import flatten

_OBSERVED = ("train.log_every", "train.validate_every")
"""Settings of what is watched, which change nothing in what is trained."""


def conditions(trials: pd.DataFrame) -> pd.Series:
    """Number the conditions under which trials ran, from 0 in order of the rows.

    Trials share them if they were trained on the same data and their configurations agree in everything but the
    weighting and what a sampler suggested: a grid, a search and a learned weighting may so be compared although they
    were studies of their own. Points of a study that differ in anything else, such as the length of training, do not.
    Imported rows do not say enough; they stand with the trials of the study that they were imported to.

    Args:
        trials: rows of `trials`, as `study.results.load` gives them.

    Returns:
        Integers, with the index of the rows.
    """
    own = trials[trials["imported_from"].isna()]
    keys = pd.Series("", index=trials.index, dtype=object)
    for study, rows in own.groupby("study", sort=False):
        suggested = {name for text in rows["suggested"].dropna() for name in json.loads(text)}
        free = (*_OBSERVED, *(name.partition("[")[0] for name in suggested))
        fixed = {text: json.dumps(settings(text, free), sort_keys=True) for text in rows["configuration"].unique()}
        keys[rows.index] = rows["data_hash"] + rows["configuration"].map(fixed)
        guests = trials[(trials["study"] == study) & trials["imported_from"].notna()]
        keys[guests.index] = keys[rows.index[0]]
    for study, rows in trials[keys == ""].groupby("study", sort=False):
        keys[rows.index] = f"only imported rows of {study}"
    return pd.Series(pd.factorize(keys)[0], index=trials.index)


def settings(configuration: str, free: Sequence[str] = _OBSERVED) -> dict[str, object]:
    """Settings of a configuration (JSON) but for those of its weighting and some that are free, or lie below them."""
    below = ("weighting.", *(f"{name}." for name in free))
    plain = flatten(json.loads(configuration))
    return {key: value for key, value in plain.items() if key not in free and not key.startswith(below)}
