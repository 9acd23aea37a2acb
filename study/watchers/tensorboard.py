"""Event files for TensorBoard: a run a trial, with its settings in the HPARAMS tab."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams

from study.events import Trial
from study.watchers.log import ended_at

_LONGEST_LABEL = 150
"""Characters of a run's name, without the trial_id behind them."""

_ENDED = "ended_at"
"""File beside the events of a run that is complete; holds the time of its end."""


class EventFiles:
    """Event files in `tensorboard/<settings and seed> <trial_id>/`.

    A run that is opened again gets a file that says that it starts from its first epoch; the files before stay, since a
    TensorBoard that reads one waits for it for ever once it is gone.

    Args:
        folder: all runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._runs = {path.name.rpartition(" ")[2]: path for path in folder.iterdir()}
        self._writers: dict[str, EventsWriter] = {}

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a trial's run is there with the end that this row tells of."""
        mark = self._runs.get(row["trial_id"], self._folder) / _ENDED
        return mark.is_file() and mark.read_text() == ended_at(row)

    def open(self, trial: Trial, name: str, settings: Mapping[str, Any], started: float) -> None:
        """Begin a trial's run, in a new file."""
        label = re.sub(r"[^\w=.,+() -]", "_", name, flags=re.ASCII)[:_LONGEST_LABEL]
        run = self._runs.setdefault(trial.trial_id, self._folder / f"{label} {trial.trial_id}")
        run.mkdir(exist_ok=True)
        (run / _ENDED).unlink(missing_ok=True)
        writer = self._writers[trial.trial_id] = EventsWriter(str(run / "events"), f".{time.time_ns()}")
        # TensorBoard drops what it has read of this run in earlier files.
        writer.write_event(Event(wall_time=started, step=0, session_log=SessionLog(status=SessionLog.START)))
        # Not what `hparams` says of the experiment: TensorBoard would take that of one run for the settings of all.
        _, start, _ = hparams(dict(settings), {})
        writer.write_event(Event(wall_time=started, summary=start))
        writer.flush()

    def epoch(self, trial_id: str, epoch: int, figures: Mapping[str, float], at: float) -> None:
        """Record the figures of an epoch of an open run."""
        # Not by `tensorboardX.summary.scalar`, which says on stderr that a figure is NaN.
        values = [Summary.Value(tag=_tag(name), simple_value=figure) for name, figure in figures.items()]
        writer = self._writers[trial_id]
        writer.write_event(Event(wall_time=at, step=epoch, summary=Summary(value=values)))
        writer.flush()

    def end(self, row: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """Record the end of an open run."""
        trial_id = row["trial_id"]
        self.epoch(trial_id, row["epochs"], figures, row["ended_at"].timestamp())
        self._writers.pop(trial_id).close()
        (self._runs[trial_id] / _ENDED).write_text(ended_at(row))

    def close(self) -> None:
        """Close the files of runs that have not ended."""
        for writer in self._writers.values():
            writer.close()


def open_log(folder: Path, study: str) -> EventFiles:  # noqa: ARG001
    """The event files of a study, given its folder on this machine."""
    return EventFiles(folder / "tensorboard")


def how_to_open(folder: Path) -> str:
    """The command that shows them."""
    return f"tensorboard --logdir '{folder / 'tensorboard'}'"


def _tag(name: str) -> str:
    """`val/mota` for `val_mota`: TensorBoard shows tags together that are equal before the stroke."""
    return re.sub("^(val|test)_", r"\1/", re.sub(r"[^\w./-]", "_", name))
