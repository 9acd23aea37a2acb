import importlib
import sys

from study.execute.shipping import stage


def test_what_is_imported_goes_along_without_what_nobody_needs_there(tmp_path, monkeypatch):
    mine, package = tmp_path / "mine", tmp_path / "mine" / "my_parts"
    unneeded = ("notes.ipynb", ".git/config", "deep/__pycache__/x.pyc")
    for path in ("__init__.py", "losses.py", "deep/__init__.py", *unneeded):
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).touch()
    (mine / "my_module.py").touch()
    (mine / "nobody_imports_this.py").touch()
    monkeypatch.syspath_prepend(mine)
    names = ("my_parts", "my_module")
    for name in names:
        importlib.import_module(name)
    try:
        staged = stage(tmp_path / "staged")
    finally:
        for name in names:
            del sys.modules[name]
    found = {str(path.relative_to(staged)) for path in staged.rglob("*") if path.is_file()}
    assert found >= {"my_parts/__init__.py", "my_parts/losses.py", "my_parts/deep/__init__.py", "my_module.py"}
    assert found >= {"study/__init__.py", "study/run.py", "study/execute/shipping.py"}
    assert not any("nobody_imports_this" in name for name in found)
    assert not any(part.startswith(".") or part == "__pycache__" for name in found for part in name.split("/"))
    assert not any(name.endswith(".ipynb") for name in found)
    assert not any(name.startswith(("torch", "ray", "pytest")) for name in found)
