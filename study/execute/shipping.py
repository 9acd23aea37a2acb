"""The driver's code on the machines of a cluster: what it has imported that Python's installation does not bring."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import study

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_UNNEEDED = shutil.ignore_patterns("__pycache__", ".*", "*.ipynb")


def stage(folder: Path) -> Path:
    """Copy this package, and the user's packages and modules that are imported now, into a folder.

    Workers import them from there, whatever is installed on their machines. A package is copied whole, with the modules
    that its parts import later; a module beside it that nothing has imported yet is not.

    Args:
        folder: is made.

    Returns:
        `folder`.
    """
    folder.mkdir()
    for path in _imported():
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=_UNNEEDED)
        else:
            shutil.copy2(path, folder / path.name)
    return folder


def _imported() -> Iterator[Path]:
    """Packages (folders) and modules (files), each once."""
    yield Path(study.__file__).parent
    for name, module in sorted(sys.modules.items()):
        if "." in name or name in ("__main__", "study"):
            continue
        file = getattr(module, "__file__", None)
        places = [file] if file else [place for place in getattr(module, "__path__", ()) if Path(place).name == name]
        for path in (Path(place).resolve() for place in places):
            if not _is_installed(path) and (path.is_dir() or path.suffix == ".py"):
                yield path.parent if path.name == "__init__.py" else path


def _is_installed(path: Path) -> bool:
    prefixes = (Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix))
    return any(path.is_relative_to(prefix) for prefix in prefixes) or not _INSTALLED.isdisjoint(path.parts)
