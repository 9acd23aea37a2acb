"""A trial of a plan, and what is told about it while a study runs.

`study.execute` sends the events, `study.live` shows and `study.watchers` logs them; all of these, and the rows of
`study.results`, name a trial alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from study.collapse import WeightingStatus
from study.config import Configuration


@dataclass(frozen=True)
class Trial:
    """A configuration with a seed, on the data of its plan.

    Attributes:
        trial_id: hash of configuration, seed and data.
        configuration_id: hash of the configuration.
        configuration: what to compute.
        seed: of initialisation, data order and augmentation.
        index: position in the plan, from 0.
        suggested: parameters that a search chose, by name; None for a point that the study file lists.
        until: epoch after which it stops on purpose; None: the last.
        parent: trial whose last checkpoint it starts from, if that is there; it leads to the same result.
    """

    trial_id: str
    configuration_id: str
    configuration: Configuration
    seed: int
    index: int
    suggested: Mapping[str, Any] | None = None
    until: int | None = None
    parent: str | None = None

    @property
    def share(self) -> float:
        """Of the epochs of its configuration, those that it trains itself: all, but for members of a population."""
        epochs = self.configuration.train.epochs
        begin = 0
        if self.parent is not None and self.suggested is not None:
            stages = self.configuration.weighting.epochs_per_stage  # type: ignore[attr-defined]
            begin = (self.suggested["generation"] - 1) * stages
        return ((self.until or epochs) - begin) / epochs


@dataclass(frozen=True)
class TrialStarted:
    """An attempt of a trial began; attempts count from 1 over all runs of the study."""

    trial: Trial
    attempt: int


@dataclass(frozen=True)
class EpochFinished:
    """An epoch (1-based, of `epochs`) took `seconds` of wall time; `metrics` is empty if it was not validated.

    `weighting_status` says whether the loss weights have collapsed (`study.collapse`).
    """

    trial: Trial
    epoch: int
    epochs: int
    metrics: Mapping[str, float]
    seconds: float
    weighting_status: WeightingStatus


@dataclass(frozen=True)
class TrialEnded:
    """A trial got its final row of the `trials` table, whatever its status."""

    trial: Trial
    row: Mapping[str, Any]


@dataclass(frozen=True)
class TrialPaused:
    """A trial fell behind the others. It may go on later; if it does not, its row stays as it is."""

    trial: Trial
    row: Mapping[str, Any]


@dataclass(frozen=True)
class TrialDeclined:
    """A trial was not started: it could not have finished inside the budget."""

    trial: Trial


@dataclass(frozen=True)
class Note:
    """One line for whoever watches: a retry, a wait for resources."""

    text: str


Event = TrialStarted | EpochFinished | TrialEnded | TrialPaused | TrialDeclined | Note
OnEvent = Callable[[Event], None]
