"""Logs of a study for other tools: `python -m study.run STUDY --log tensorboard --log mlflow`.

A module a tool, with `open_log` and `how_to_open`; `study.watchers.watcher` keeps them. No ray, no torch, and nothing
that takes long to import here.
"""

import importlib.util
from collections.abc import Iterable

from study.errors import UserError, nearest

TOOLS = ("tensorboard", "mlflow")
"""Modules of this room that keep a log."""

TUNE = "tune"
"""A log that Ray Tune writes itself (`study.execute`)."""


def check_logs(names: Iterable[str]) -> None:
    """Refuse a log that there is not, or whose package is not installed.

    Raises:
        UserError: one of these.
    """
    known = [*TOOLS, TUNE]
    for name in names:
        if name not in known:
            raise UserError(f"--log {name}: no such log; {nearest(name, known)}")
        if name == "mlflow" and importlib.util.find_spec("mlflow") is None:
            raise UserError("--log mlflow: MLflow is not installed; pip install 'loss-weighting-study[mlflow]'")
