"""Which trials may be compared: same data, and same configuration in all that is not the weighting or searched."""

import json

import pandas as pd

from analysis.leaderboard import varying
from study.results import flatten

_OBSERVED = ("train.log_every", "train.validate_every")
"""Settings of what is watched, which change nothing in what is trained."""


def conditions(trials: pd.DataFrame) -> pd.Series:
    """Number the conditions under which trials ran, from 0 in order of the rows.

    Trials share them if they were trained on the same data and their configurations agree in everything but the
    weighting and what their study varies: a grid, a search and a learned weighting may so be compared although they
    were studies of their own. Imported rows do not say enough; they stand with the trials of the study that they were
    imported to.

    Args:
        trials: rows of `trials`, as `study.results.load` gives them.

    Returns:
        Integers, with the index of the rows.
    """
    own = trials[trials["imported_from"].isna()]
    keys = pd.Series("", index=trials.index, dtype=object)
    for study, rows in own.groupby("study", sort=False):
        free = {*_OBSERVED, *varying(rows)}
        fixed = {text: _fixed(text, free) for text in rows["configuration"].unique()}
        keys[rows.index] = rows["data_hash"] + rows["configuration"].map(fixed)
        guests = trials[(trials["study"] == study) & trials["imported_from"].notna()]
        keys[guests.index] = keys[rows.index[0]]
    for study, rows in trials[keys == ""].groupby("study", sort=False):
        keys[rows.index] = f"only imported rows of {study}"
    return pd.Series(pd.factorize(keys)[0], index=trials.index)


def _fixed(configuration: str, free: set[str]) -> str:
    settings = flatten(json.loads(configuration))
    return json.dumps(
        {key: value for key, value in settings.items() if key not in free and not key.startswith("weighting.")},
        sort_keys=True,
    )
