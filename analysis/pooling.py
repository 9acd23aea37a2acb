"""From the figures of single sequences to those of all: what each adds to the pooled MOTA or IDF1 of a seed.

Rows of `sequences` have counts of errors and fractions, not the counts of objects and matches that fractions are made
of. Those follow from them: objects from MOTA and its errors, and from objects, misses and false positives the rest.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

POOLED = ("mota", "idf1")
"""Metrics of which the pooled figure follows from the counts; HOTA's does not."""


def objects(sequences: pd.DataFrame) -> pd.Series:
    """Number of annotated objects (boxes) of each sequence, from MOTA = 1 - (fn + fp + idsw) / objects.

    Args:
        sequences: rows of `sequences` of one data set, of any trials; every tracker met the same objects.

    Returns:
        By split and sequence. NaN where no tracker ever made an error, so that nothing follows, or where rows do not
        agree: imported ones may be of other annotations.
    """
    errors = sequences[["fn", "fp", "idsw"]].sum(axis=1, skipna=False)
    missing = 1 - sequences["mota"]
    counts = (errors / missing.where(missing != 0)).where(errors > 0)
    keys = [sequences["split"], sequences["sequence"]]
    spread = counts.groupby(keys).agg(["min", "max", "median"])
    agree = (spread["max"] - spread["min"]) < 0.5
    return spread["median"].round().where(agree)


def contributions(sequences: pd.DataFrame, metric: str) -> NDArray[np.float64] | None:
    """What every sequence adds to a pooled metric under every seed, so that their mean is the pooled metric.

    A pooled metric is a ratio of sums, F = sum(a) / sum(b): errors over objects, or twice the identity matches over
    objects and boxes. In a table of F + (a - F b) / mean(b), the mean is F, and the mean of resampled cells is F of the
    sample, but for terms of second order (the delta method).

    Args:
        sequences: rows of one configuration and split, of its last epoch, with the columns `seed` and `objects`
            (of each sequence).
        metric: one of `POOLED`.

    Returns:
        [seeds, sequences], both in sorted order; None where a sequence lacks a seed, or counts are missing.
    """
    cells = {
        name: sequences.pivot(index="seed", columns="sequence", values=name).to_numpy(dtype=float)
        for name in ("objects", "fn", "fp", "idsw", "idr")
    }
    total = cells["objects"]
    if metric == "mota":
        above, below = total - cells["fn"] - cells["fp"] - cells["idsw"], total
    else:
        above, below = 2 * cells["idr"] * total, 2 * total - cells["fn"] + cells["fp"]
    if not (np.isfinite(above).all() and np.isfinite(below).all()) or not above.size:
        return None
    pooled = above.sum(axis=1, keepdims=True) / below.sum(axis=1, keepdims=True)
    return pooled + (above - pooled * below) / below.mean(axis=1, keepdims=True)
