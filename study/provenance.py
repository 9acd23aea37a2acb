"""Which code, packages and machine made a row."""

import functools
import hashlib
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from study.config import Component, Configuration
from study.schema import PACKAGES

if TYPE_CHECKING:
    import torch

_ROOT = Path(__file__).parent
_DECIDES_NOTHING = {
    "capacity.py",
    "checkpoint.py",
    "commands",
    "drawing.py",
    "environment.py",
    "errors.py",
    "events.py",
    "execute",
    "files.py",
    "forecast.py",
    "live.py",
    "outputs.py",
    "plan.py",
    "prediction",
    "provenance.py",
    "results.py",
    "rows.py",
    "run.py",
    "schema.py",
    "search",
    "sources.py",
    "studies.py",
    "summary.py",
    "track.py",
    "video.py",
}
"""Parts of this package that have no say in what a trial computes; changes to them leave `code_hash` alone."""


def provenance() -> dict[str, Any]:
    """Commit, package versions, Python's version and host name, by their columns in `trials`.

    Null where there is none: no git, no repository, a package that is not installed.
    """
    sha, dirty = _commit()
    return {
        "git_sha": sha,
        "git_dirty": dirty,
        **{f"{name}_version": _installed(name) for name in PACKAGES},
        "python_version": platform.python_version(),
        "hostname": socket.gethostname(),
    }


def device_name(device: "torch.device") -> str:
    """Model of the GPU, or of the CPU, of this machine."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


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


def _commit() -> tuple[str | None, bool | None]:
    """Commit of this package's repository and whether its files differ from it; the package must be part of it."""
    if not _git("ls-files", "__init__.py"):
        return None, None
    sha = _git("rev-parse", "HEAD")
    return (sha, bool(_git("status", "--porcelain"))) if sha else (None, None)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
