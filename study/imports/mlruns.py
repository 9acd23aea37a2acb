"""Past runs in an MLflow file store: `mlruns/<experiment>/<run>/` with `meta.yaml`, `params`, `metrics` and `tags`.

The files are read as MLflow lays them out, without MLflow: its client refuses file stores by now unless an environment
variable allows them, and makes folders in a store that it opens.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from study.errors import UserError
from study.imports.runs import Run
from study.imports.values import MLFLOW_STATUSES

_WORDS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


def is_store(path: Path) -> bool:
    """Whether a folder is a store, an experiment in it, or a run."""
    return path.is_dir() and any(_metas(path))


def read(path: Path) -> list[Run]:
    """Runs of a store, of one experiment, or one run; those that were deleted in MLflow are left out.

    Raises:
        UserError: a file that MLflow did not write so.
    """
    metas = {file.parent: _read_meta(file) for file in _metas(path)}
    runs = {folder: meta for folder, meta in metas.items() if "run_id" in meta or "run_uuid" in meta}
    return [_read_run(path, folder, meta) for folder, meta in runs.items() if meta.get("lifecycle_stage") != "deleted"]


def _metas(path: Path) -> Iterator[Path]:
    for pattern in ("meta.yaml", "[!.]*/meta.yaml", "[!.]*/[!.]*/meta.yaml"):
        yield from sorted(path.glob(pattern))


def _read_meta(file: Path) -> dict[str, Any]:
    try:
        meta = yaml.safe_load(_text(file))
    except yaml.YAMLError:
        meta = None
    if not isinstance(meta, dict):
        raise UserError(f"{file}: not the description of an MLflow experiment or run")
    return meta


def _read_run(path: Path, folder: Path, meta: dict[str, Any]) -> Run:
    word = _WORDS.get(meta.get("status", 0))
    if word is None:
        raise UserError(f"{folder / 'meta.yaml'}: status {meta.get('status')!r}, expected MLflow's 1 to 5")
    tags = {name: _text(file) for name, file in _files(folder / "tags")}
    facts = {
        "status": MLFLOW_STATUSES[word],
        "error": None if word == "FINISHED" else f"{word} in MLflow",
        "git_sha": tags.get("mlflow.source.git.commit"),
        "started_at": _time(meta.get("start_time")),
        "ended_at": _time(meta.get("end_time")),
    }
    return Run(
        source=str(path),
        where=f"{folder} ({tags.get('mlflow.runName', 'no name')})",
        noun="name",
        file=str(folder.absolute()),
        name=("mlflow", str(meta.get("run_id") or meta["run_uuid"])),
        values={name: _text(file).strip() for name, file in _files(folder / "params")},
        series={name: _read_metric(file) for name, file in _files(folder / "metrics")},
        facts=facts,
    )


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files by their key, which may have slashes."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _read_metric(file: Path) -> dict[int, float]:
    """Values by step: lines of time, value and step; of a step's values the last one stands."""
    points = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        parts = line.split()
        try:
            points.append((int(parts[2]) if len(parts) > 2 else 0, int(parts[0]), float(parts[1])))
        except (ValueError, IndexError):
            raise UserError(f"{file}:{number}: expected time, value and step, found {line!r}") from None
    return {step: value for step, _, value in sorted(points, key=lambda point: point[:2])}


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
