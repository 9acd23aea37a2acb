"""What a tool's log can do, whoever writes it."""

from collections.abc import Mapping
from typing import Any, Protocol

from study.events import Trial


class Log(Protocol):
    """A tool's record of a study, in which every trial is a run. Times are seconds since the epoch."""

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a trial's run is there with the end that this row of `trials` tells of."""

    def open(self, trial: Trial, name: str, settings: Mapping[str, Any], started: float) -> None:
        """Begin a trial's run, or go on with it; it is given all its epochs again, and none is to stand there twice.

        A run from before the trial's first attempt started is of rows that have been discarded.
        """

    def epoch(self, trial_id: str, epoch: int, figures: Mapping[str, float], at: float) -> None:
        """Record the figures of an epoch of an open run."""

    def end(self, row: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """Record the end of an open run: its row of `trials`, and those figures in it that no epoch has."""

    def close(self) -> None:
        """Let go of everything; runs that have not ended can be opened again."""


def ended_at(row: Mapping[str, Any]) -> str:
    """When a trial ended, which tells its row from an earlier one; as precise as the `trials` table has it."""
    return row["ended_at"].isoformat(timespec="milliseconds")
