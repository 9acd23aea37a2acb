"""Which code, packages and machine made a row."""

import functools
import hashlib
import platform
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from study.components import Component
from study.config import Configuration
from study.repository import Code, read_code
from study.schema import PACKAGES

_ROOT = Path(__file__).parent
_DECIDES_NOTHING = {
    "budget.py",
    "capacity.py",
    "checkpoint.py",
    "claim.py",
    "cluster_address.py",
    "command_line.py",
    "commands",
    "comparison.py",
    "detections.py",
    "device.py",
    "differences.py",
    "draw.py",
    "drawing.py",
    "duration.py",
    "environment.py",
    "errors.py",
    "events.py",
    "execute",
    "files.py",
    "forecast.py",
    "housekeeping.py",
    "imports",
    "live.py",
    "migrations.py",
    "object_store.py",
    "outputs.py",
    "plan.py",
    "prediction",
    "provenance.py",
    "redaction.py",
    "refusals.py",
    "repository.py",
    "reproduction.py",
    "results.py",
    "rows.py",
    "run.py",
    "schema.py",
    "search",
    "search_config.py",
    "secrecy.py",
    "sources.py",
    "space.py",
    "starts.py",
    "studies.py",
    "summary.py",
    "track.py",
    "video.py",
    "watchers",
}
"""Parts of this package that have no say in what a trial computes; changes to them leave `code_hash` alone."""


def provenance(code: Code | None = None) -> dict[str, Any]:
    """Commit, package versions, Python's version and host name, by their columns in `trials`.

    Null where there is none: no git, no repository, a package that is not installed.

    Args:
        code: what a plan says of the repository; default: this process looks.
    """
    code = code or read_code()[0]
    return {
        "git_sha": code.sha,
        "git_dirty": code.dirty,
        "diff_hash": code.diff_hash,
        **{f"{name}_version": _installed(name) for name in PACKAGES},
        "python_version": platform.python_version(),
        "hostname": socket.gethostname(),
    }


def code_hash(configuration: Configuration) -> str:
    """Hash of the source files that decide what a trial computes: 16 hexadecimal digits.

    They are those of this package, and the modules of the configuration's components that come from elsewhere.
    """
    return _hash_sources(tuple(sorted(_foreign_modules(configuration))))


@functools.cache
def _hash_sources(foreign: tuple[str, ...]) -> str:
    inside = (path for path in _ROOT.rglob("*.py") if path.relative_to(_ROOT).parts[0] not in _DECIDES_NOTHING)
    outside = (getattr(sys.modules[name], "__file__", None) for name in foreign)
    total = hashlib.sha256()
    for path in [*sorted(inside), *(Path(file) for file in outside if file)]:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _foreign_modules(value: Any) -> Iterator[str]:
    if isinstance(value, Component) and not type(value).__module__.startswith("study."):
        yield type(value).__module__
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _foreign_modules(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _foreign_modules(item)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
