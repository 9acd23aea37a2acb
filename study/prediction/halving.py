"""What early stopping by asynchronous successive halving leaves of the epochs of a study."""

import math
import random
from bisect import insort
from collections.abc import Sequence
from statistics import fmean

from study.search_config import ASHA, EarlyStopping

_REPETITIONS = 100
_SEED = 0


def expected_epochs_fraction_asha(
    num_trials: int, max_epochs: int, grace_epochs: int, reduction_factor: float
) -> float:
    """Expected share of `num_trials` x `max_epochs` epochs that are trained under early stopping.

    The rule is that of Ray Tune's `ASHAScheduler` with one bracket (Li et al. 2020, but trials are stopped, never
    paused): a trial that reaches a rung stops if it is below the top 1 / `reduction_factor` of those recorded there so
    far. Trials are exchangeable: before they run, none is likelier to be better than another. Every trial is taken to
    keep its place among the others from rung to rung, to report after every epoch, and to run after the one before it
    has ended. The mean over 100 orders, drawn with a fixed seed: the same arguments give the same number.

    Args:
        num_trials: of the study.
        max_epochs: of a trial that is never stopped.
        grace_epochs: first rung.
        reduction_factor: of the number of trials from rung to rung, and of the epochs between them.
    """
    draw = random.Random(_SEED)
    repetitions = ([draw.random() for _ in range(num_trials)] for _ in range(_REPETITIONS))
    kept = [fmean(epochs_under_asha(values, max_epochs, grace_epochs, reduction_factor)) for values in repetitions]
    return fmean(kept) / max_epochs


def expected_epochs_fraction(stopping: EarlyStopping | None, num_trials: int, max_epochs: int) -> float:
    """Expected share of the epochs of `num_trials` trials of `max_epochs` that early stopping leaves.

    With promotion a `reduction_factor`-th of each rung goes on, and one trial at least to the end. What the median rule
    leaves cannot be told beforehand: 1.
    """
    if not isinstance(stopping, ASHA) or not num_trials:
        return 1.0
    if not stopping.promote:
        grace = min(stopping.grace_epochs, max_epochs)
        return expected_epochs_fraction_asha(num_trials, max_epochs, grace, stopping.reduction_factor)
    epochs, trials, before = 0.0, num_trials, 0
    level = float(stopping.grace_epochs)
    while round(level) < max_epochs:
        epochs += trials * (round(level) - before)
        trials, before = max(1, int(trials / stopping.reduction_factor)), round(level)
        level *= stopping.reduction_factor
    return (epochs + trials * (max_epochs - before)) / (num_trials * max_epochs)


def epochs_under_asha(
    values: Sequence[float], max_epochs: int, grace_epochs: int, reduction_factor: float
) -> list[int]:
    """Epochs of trials that run one after the other and report one of these values each, at every rung the same."""
    looks = _looks(max_epochs, grace_epochs, reduction_factor)
    recorded: list[list[float]] = [[] for _ in looks]
    epochs = []
    for value in values:
        last = max_epochs
        for (epoch, _), others in zip(looks, recorded, strict=True):
            stopped = bool(others) and value < _percentile(others, 1 - 1 / reduction_factor)
            insort(others, value)
            if stopped:
                last = epoch
                break
        epochs.append(last)
    return epochs


def _looks(max_epochs: int, grace_epochs: int, reduction_factor: float) -> list[tuple[int, float]]:
    """Epoch and rung of each look at a trial that is never stopped.

    After an epoch the highest rung that it reaches is looked at, once; at the last epoch there is nothing to stop.
    """
    count = int(math.log(max_epochs / grace_epochs) / math.log(reduction_factor) + 1)
    rungs = [grace_epochs * reduction_factor**k for k in range(count)]
    looks: list[tuple[int, float]] = []
    for epoch in range(1, max_epochs):
        open_rungs = [rung for rung in rungs if rung <= epoch and rung not in {seen for _, seen in looks}]
        if open_rungs:
            looks.append((epoch, max(open_rungs)))
    return looks


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Between two values the percentile is on the line between them, as NumPy's."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
