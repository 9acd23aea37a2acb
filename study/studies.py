"""Study files: finding them by name or path, executing them, and telling their author what is wrong."""

import ast
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

import search_spaces
from study.config import Study
from study.errors import UserError, nearest
from study.frozen import describe


def list_studies() -> list[tuple[str, str, Path]]:
    """Name, description and file of every study in `search_spaces`, by name; the files are read, not executed."""
    return [
        (path.stem, _description(path), path)
        for path in sorted(_folder().glob("*.py"))
        if not path.stem.startswith("_")
    ]


def load_study(name_or_path: str) -> Study:
    """Execute a study file and take its `STUDY`.

    The file's folder is appended to `sys.path`, so that it can name components in modules beside it.

    Args:
        name_or_path: name of a file in `search_spaces`, or the path of a `.py` file.

    Raises:
        UserError: an unknown name (with the nearest known one), or a mistake in the file (with its line).
    """
    if name_or_path.endswith(".py") or "/" in name_or_path:
        path = Path(name_or_path).expanduser().absolute()
        if not path.is_file():
            raise UserError(f"{name_or_path}: no such study file")
    else:
        path = _folder() / f"{name_or_path}.py"
        if not path.is_file() or path.stem.startswith("_"):
            names = [name for name, _, _ in list_studies()]
            raise UserError(f"no study {name_or_path!r} in search_spaces; {nearest(name_or_path, names)}")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    study = getattr(_execute(path), "STUDY", None)
    if study is None:
        raise UserError(f"{path}: defines no STUDY; expected STUDY = Study(...), with Study from study.config")
    if not isinstance(study, Study):
        raise UserError(f"{path}: STUDY is a {type(study).__name__}; expected a study.config.Study")
    return study


def _execute(path: Path) -> ModuleType:
    """Run a study file as the module it would be imported as, so that other processes find what it defines."""
    name = f"search_spaces.{path.stem}" if path.parent == _folder() else path.stem
    spec = importlib.util.find_spec(name) if path.stem.isidentifier() else None
    if spec is None or spec.origin != str(path):
        spec = importlib.util.spec_from_file_location(f"study_file_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UserError(f"{error.filename}:{error.lineno}: {error.msg}") from None
    except ValidationError as error:
        raise UserError(f"{_place(path, error)}: {error.title}: {describe(error)}") from None
    except UserError as error:
        raise UserError(f"{_place(path, error)}: {error}") from None
    except Exception as error:
        raise UserError(f"{_place(path, error)}: {type(error).__name__}: {error}") from None
    return module


def _place(path: Path, error: BaseException) -> str:
    """The study file's innermost line that led to an error."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _folder() -> Path:
    return Path(search_spaces.__path__[0])


def _description(path: Path) -> str:
    """What the file says of itself, without running it: a constant `description`, else its docstring's first line.

    Read where it is an argument of `Study(...)`, or an entry of what changes a copy of another study.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        return f"(line {error.lineno}: {error.msg})"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for key, value in _arguments(node):
                if key == "description" and isinstance(value, ast.Constant):
                    return str(value.value)
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _arguments(call: ast.Call) -> Iterator[tuple[str | None, ast.expr]]:
    """Names and values given to a call of `Study`, or within `update={...}` to a call of `model_copy`."""
    if isinstance(call.func, ast.Name) and call.func.id == "Study":
        yield from ((keyword.arg, keyword.value) for keyword in call.keywords)
    if isinstance(call.func, ast.Attribute) and call.func.attr == "model_copy":
        for keyword in call.keywords:
            if keyword.arg == "update" and isinstance(keyword.value, ast.Dict):
                for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                    yield (str(key.value) if isinstance(key, ast.Constant) else None), value
