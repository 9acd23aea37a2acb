"""Which trials nothing else beats in everything: the Pareto front, and how much of the space it dominates."""

from collections.abc import Sequence

import moocore
import numpy as np
import pandas as pd

from analysis.leaderboard import IMPORTED


def pareto_front(points: pd.DataFrame, *, lower: Sequence[str] = (), higher: Sequence[str] = ()) -> pd.Series:
    """Which points no other point dominates: none is at least as good in everything and better in something.

    Args:
        points: one row a trial, configuration or method.
        lower: columns of which less is better, such as device_seconds.
        higher: columns of which more is better, such as val_mota.

    Returns:
        Booleans, with the index of the points; equal points are all on the front, those with a missing figure are not.
    """
    known = points[[*lower, *higher]].notna().all(axis=1)
    front = pd.Series(False, index=points.index)
    if known.any():
        values, maximise = _objectives(points[known], lower, higher)
        front[known] = moocore.is_nondominated(values, maximise=maximise, keep_weakly=True)
    return front


def front_of_methods(table: pd.DataFrame, metric: str) -> pd.Series:
    """Which methods no cheaper one equals; imported ones are on no front, since their conditions are not known.

    Args:
        table: what `analysis.methods.methods` gives.
        metric: a mean in it, larger is better.

    Returns:
        Booleans, with the index of the table.
    """
    own = table[~table["method"].str.endswith(IMPORTED)]
    front = pareto_front(own, lower=["device_seconds"], higher=[metric])
    return front.reindex(table.index, fill_value=False)


def hypervolume(
    points: pd.DataFrame, reference: Sequence[float], *, lower: Sequence[str] = (), higher: Sequence[str] = ()
) -> float:
    """Volume of what the points dominate, up to a reference that is worse than all that counts.

    Source: Fonseca, Paquete and López-Ibáñez, CEC 2006, by the library moocore.

    Args:
        points: as for `pareto_front`; those with a missing figure dominate nothing.
        reference: worst value of each objective, those of `lower` first.
        lower: columns of which less is better.
        higher: columns of which more is better.

    Returns:
        In the product of the objectives' units; 0 without a point that is better than the reference.
    """
    known = points[points[[*lower, *higher]].notna().all(axis=1)]
    if known.empty:
        return 0.0
    values, maximise = _objectives(known, lower, higher)
    return float(moocore.hypervolume(values, ref=np.asarray(reference, dtype=float), maximise=maximise))


def _objectives(points: pd.DataFrame, lower: Sequence[str], higher: Sequence[str]) -> tuple[np.ndarray, list[bool]]:
    values = points[[*lower, *higher]].to_numpy(dtype=float, copy=True)
    return values, [False] * len(lower) + [True] * len(higher)
