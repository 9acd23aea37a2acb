"""Past runs in TensorBoard's event files: a run is a folder that holds some."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.imports.runs import Run

_TIME = re.compile(r"\d{9,}\.\d+")
"""Name of the folder in which torch and tensorboardX put hyperparameters, beside the run's own event files."""

_HPARAMS = "_hparams_/session_"


@dataclass
class _Events:
    """What the event files of a folder hold."""

    scalars: dict[str, dict[int, float]] = field(default_factory=dict)
    hparams: dict[str, Any] = field(default_factory=dict)
    status: str | None = None
    times: list[float] = field(default_factory=list)


def find(path: Path) -> dict[Path, list[Path]]:
    """Event files by the folder they lie in, outer folders first, of a folder or a single file."""
    if path.is_file():
        return {path.parent: [path]} if "tfevents" in path.name else {}
    found: dict[Path, list[Path]] = {}
    for file in sorted(path.rglob("*tfevents*"), key=lambda file: (len(file.parts), file)):
        if file.is_file():
            found.setdefault(file.parent, []).append(file)
    return found


def read(path: Path) -> list[Run]:
    """One run for every folder with event files: its scalars by step, and its hyperparameters.

    Hyperparameters that torch or tensorboardX wrote into a folder of their own, named by the time, belong to the run of
    the folder around it. A file that breaks off counts up to there.

    Raises:
        UserError: tensorboard is not installed.
    """
    found = find(path)
    runs: dict[Path, _Events] = {}
    for folder, files in found.items():
        events = _read_files(files)
        if folder.parent in runs and _TIME.fullmatch(folder.name):
            around = runs[folder.parent]
            around.hparams |= events.hparams
            around.status = events.status
            around.scalars = events.scalars | around.scalars
        else:
            runs[folder] = events
    return [_run(path, folder, found[folder], events) for folder, events in runs.items()]


def _run(path: Path, folder: Path, files: Sequence[Path], events: _Events) -> Run:
    facts: dict[str, Any] = {"status": events.status} if events.status else {}
    if events.times:
        first, last = (datetime.fromtimestamp(pick(events.times), UTC) for pick in (min, max))
        facts |= {"started_at": first, "ended_at": last}
    return Run(
        source=str(path),
        where=str(folder),
        noun="name",
        file=str(folder.absolute()),
        name=("tensorboard", folder.absolute().name, files[0].name),
        values=events.hparams,
        series=events.scalars,
        facts=facts,
    )


def _read_files(files: Sequence[Path]) -> _Events:
    events = _Events()
    plugins: dict[str, str] = {}
    for file in files:
        for event in _load(file):
            for value in event.summary.value:
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                if value.tag.startswith(_HPARAMS):
                    _take_session(events, value)
                elif (scalar := _scalar(value, plugin)) is not None:
                    events.scalars.setdefault(value.tag, {})[event.step] = scalar
                    events.times.append(event.wall_time)
    return events


def _load(file: Path) -> Iterator[Any]:
    try:
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    except ImportError:
        raise UserError(
            f"{file}: reading event files needs tensorboard: pip install 'loss-weighting-study[tensorboard]'"
        ) from None
    return LegacyEventFileLoader(str(file)).Load()


def _scalar(value: Any, plugin: str) -> float | None:
    """A summary's number: the old form, or a tensor of the plugin for scalars; None if it is something else."""
    from tensorboard.util.tensor_util import make_ndarray

    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and plugin == "scalars":
        return float(make_ndarray(value.tensor).item())
    return None


def _take_session(events: _Events, value: Any) -> None:
    """Hyperparameters at the start of a session, its status at the end."""
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
    for name, cell in data.session_start_info.hparams.items():
        events.hparams[name] = getattr(cell, cell.WhichOneof("kind"))
    if data.HasField("session_end_info"):
        statuses = {Status.STATUS_SUCCESS: "completed", Status.STATUS_FAILURE: "failed"}
        events.status = statuses.get(data.session_end_info.status, "interrupted")
