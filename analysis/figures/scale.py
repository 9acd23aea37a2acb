"""Scales of figures that show a metric by colour or height: which colours, and how far they reach."""

from collections.abc import Iterable

import numpy as np

COLOURS = "viridis_r"
"""Of metrics: colour-blind-safe, and dark is good, also in print without colours."""

FEWER_IS_BETTER = frozenset({"idsw", "fp", "fn", "frag", "ml"})
"""Metrics that count mistakes."""

_FAR = 5.0
"""Median absolute deviations from the median beyond which figures are outliers."""


def near_range(values: Iterable[float], *, less: bool = False) -> tuple[float, float]:
    """Range of figures without the outliers on their worse side, for colours and axes.

    A collapsed run at -2.8 would make runs at 0.4 and 0.5 look alike. An outlier is worse than the median by more than
    five median absolute deviations (3.4 standard deviations, were they normal), and by more than half the median's
    size. Almost half of the figures may be outliers; quartiles would take a quarter of collapsed runs for the common
    case. Source: Leys et al., Detecting outliers: do not use standard deviation around the mean, use absolute deviation
    around the median, Journal of Experimental Social Psychology 49, 2013. Deviation: the second condition, since runs
    of a few seeds may lie close together by chance.

    Args:
        values: finite, or missing (NaN); at least one is finite.
        less: whether less is better, so that outliers lie above.

    Returns:
        Lowest and highest of the others.
    """
    numbers = np.asarray(list(values), dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    if less:
        low, high = near_range(-numbers)
        return -high, -low
    median = float(np.median(numbers))
    reach = max(_FAR * float(np.median(np.abs(numbers - median))), abs(median) / 2)
    near = numbers[numbers >= median - reach] if reach else numbers
    return float(near.min()), float(near.max())
