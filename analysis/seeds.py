"""Which seeds a configuration's figures are taken from, and their mean."""

import numpy as np
import pandas as pd


def mean_over_seeds(rows: pd.DataFrame, metric: str) -> float:
    """Mean of a metric over trials that differ in their seed alone; NaN if one did not complete, or lacks it.

    Args:
        rows: of `trials`; without any the mean is NaN.
        metric: column of them.
    """
    if rows.empty or not (rows["status"] == "completed").all():
        return np.nan
    return float(rows[metric].astype(float).mean(skipna=False))


def judging(trials: pd.DataFrame) -> pd.Series:
    """Which rows count in means and spreads: those of completed trials, but for the seed that a search chose by.

    A search tries its suggestions under one seed and runs the best of them again under others. What made a
    configuration the best of many under the first seed was partly luck, so that seed's figure is too high (the winner's
    curse); once another seed of the configuration has completed, only the others count. The seed that chose is the one
    under which most suggestions of the study ran, however they ended; if as many ran under another, nothing was chosen.

    Args:
        trials: rows of `trials`, as `study.results.load` gives them.

    Returns:
        Booleans, with the index of the rows.
    """
    counts = trials["status"] == "completed"
    searched = trials["suggested"].notna() & trials["imported_from"].isna()
    for _, of_search in trials[searched].groupby(["study", "data_hash"], sort=False):
        tried = of_search["seed"].value_counts()
        if len(tried) > 1 and tried.iloc[0] > tried.iloc[1]:
            rows = of_search[counts[of_search.index]]
            again = rows.groupby("configuration_id")["seed"].transform("nunique") > 1
            counts[rows.index[again & (rows["seed"] == tried.index[0])]] = False
    return counts


def fewer_seeds(group: pd.DataFrame, trials: pd.DataFrame) -> int:
    """How many seeds fewer a configuration's trials completed than the most of its study, on the same data, did.

    Imported rows are measured by the study's own.
    """
    study = trials[(trials["study"] == group["study"].iloc[0]) & (trials["data_hash"] == group["data_hash"].iloc[0])]
    own = study[(study["status"] == "completed") & study["imported_from"].isna()]
    most = own["configuration_id"].value_counts().max() if len(own) else 0
    return max(0, int(most) - int((group["status"] == "completed").sum()))
