import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from study.repository import LIMIT_BYTES, Code, read_code

ROOT = Path(__file__).parent.parent
IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b.c"]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of what matters: everything but git's own and what `repository` leaves in it by the way."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o100)
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts and path.name not in ("password.txt", "generated.py")
    }


@pytest.fixture
def repository(tmp_path) -> Path:
    root = tmp_path / "repository"
    package = root / "package"
    package.mkdir(parents=True)
    for name in ("__init__", "one", "two", "gone", "moved"):
        (package / f"{name}.py").write_text(f"NAME = {name!r}\n" * 20)
    (root / "picture.bin").write_bytes(bytes(range(256)))
    (root / ".gitignore").write_text("generated.py\n")
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "all")
    return root


def change(root: Path) -> None:
    """Everything that can happen to files."""
    package = root / "package"
    (package / "one.py").write_text((package / "one.py").read_text() + "ADDED = 'é'\r\n \t\n")
    (package / "two.py").write_text("NAME = 'no newline at the end'")
    (package / "two.py").chmod(0o755)
    (package / "gone.py").unlink()
    (package / "moved.py").rename(package / "moved to.py")
    (root / "picture.bin").write_bytes(b"\0" + bytes(range(255)))
    (root / "own").mkdir()
    (root / "own" / "study of my öwn.py").write_text("STUDY = 1\n")
    (root / "own" / "__init__.py").touch()
    (package / "staged.py").write_text("STAGED = True\n")
    git(root, "add", "package/staged.py")
    (root / "password.txt").write_text("secret-word")
    (root / "generated.py").write_text("'secret-word'\n")


HOSTILE = {
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.context": "0",
    "diff.renames": "copies",
    "diff.relative": "true",
    "color.ui": "always",
    "core.quotePath": "false",
    "diff.external": "false",
}


@pytest.mark.parametrize("settings", [{}, HOSTILE], ids=["default settings", "settings of a user"])
def test_the_difference_gives_the_same_sources_on_a_clean_checkout(repository, settings, tmp_path):
    for name, value in settings.items():
        git(repository, "config", name, value)
    change(repository)
    index = (repository / ".git" / "index").read_bytes()
    code, difference = read_code(repository / "package")
    assert (repository / ".git" / "index").read_bytes() == index
    assert (code.sha, code.dirty, code.diff_bytes) == (git(repository, "rev-parse", "HEAD"), True, len(difference))
    assert b"secret-word" not in difference

    git(tmp_path, "clone", str(repository), "clean")
    clean = tmp_path / "clean"
    git(clean, "checkout", code.sha)
    assert files(clean) != files(repository)
    (tmp_path / "stored.diff").write_bytes(difference)
    git(clean, "apply", str(tmp_path / "stored.diff"))
    assert files(clean) == files(repository)


def test_equal_differences_have_one_name_and_others_another(repository, tmp_path):
    change(repository)
    shutil.copytree(repository, tmp_path / "copy")
    code, _ = read_code(repository / "package")
    assert read_code(tmp_path / "copy" / "package") == read_code(repository / "package")
    shutil.copytree(repository, tmp_path / "other")
    (tmp_path / "other" / "own" / "__init__.py").write_text("NEW = 1\n")
    assert read_code(tmp_path / "other" / "package")[0].diff_hash != code.diff_hash
    assert len(code.diff_hash) == 16


def test_what_is_no_source_makes_the_repository_dirty_but_no_difference(repository):
    (repository / "password.txt").write_text("secret-word")
    code, difference = read_code(repository / "package")
    assert (code.dirty, code.diff_hash, difference) == (True, None, b"")
    assert not code.too_large


def test_a_clean_repository_has_no_difference(repository):
    assert read_code(repository / "package") == (Code(git(repository, "rev-parse", "HEAD"), False, None, 0), b"")


def test_code_outside_of_any_repository_has_no_commit(repository, tmp_path):
    shutil.copytree(repository / "package", tmp_path / "package")
    assert read_code(tmp_path / "package") == (Code(None, None, None, 0), b"")


@pytest.mark.parametrize("where", ["picture.bin", "package/one.py", "new.py"])
def test_too_much_is_not_stored(repository, where):
    (repository / where).write_bytes(os.urandom(LIMIT_BYTES).hex().encode())
    code, difference = read_code(repository / "package")
    assert (code.dirty, code.diff_hash, difference, code.too_large) == (True, None, b"", True)


SECRETS = {
    "package/two.py": 'SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"\nMORE = 1\n',
    "settings.yaml": "store:\n  password: correct-horse-battery\n",
    ".env": "NOT_NAMED_LIKE_ONE=batterystaple\n",
    "server.key": "\0\1binarystaple\n",
}


def test_secrets_are_left_out_of_the_difference_which_then_cannot_be_applied(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "value-of-the-environment")
    for name in SECRETS:
        (repository / name).touch()
    git(repository, "add", ".")
    git(repository, "commit", "-m", "files")
    for name, content in SECRETS.items():
        (repository / name).write_text(content)
    (repository / "package" / "one.py").write_text('found = "value-of-the-environment"\n')
    (repository / "new.py").write_text("NEW = 1\n")
    code, difference = read_code(repository / "package")
    assert set(code.redacted) == {"package/one.py", *SECRETS}
    for secret in (b"wJalr", b"horse", b"staple", b"value-of"):
        assert secret not in difference
    assert b"+NEW = 1\n" in difference
    assert b"+MORE = 1\n" in difference
    assert b'!+SECRET_KEY = "<secret left out>"\n' in difference
    heading = difference.partition(b"\n")[0].decode()
    assert all(name in heading for name in code.redacted)
    git(tmp_path, "clone", str(repository), "clean")
    (tmp_path / "stored.diff").write_bytes(difference)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        git(tmp_path / "clean", "apply", str(tmp_path / "stored.diff"))
    assert "corrupt patch" in refused.value.stderr
    assert git(tmp_path / "clean", "status", "--porcelain") == ""


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_no_redacted_file_passes_for_whole(repository, name, tmp_path):
    (repository / name).write_text("")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "files")
    (repository / name).write_text(SECRETS[name])
    code, difference = read_code(repository / "package")
    assert code.redacted == (name,)
    git(tmp_path, "clone", str(repository), "clean")
    (tmp_path / "stored.diff").write_bytes(difference)
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path / "clean", "apply", str(tmp_path / "stored.diff"))


DONE = """
import sys
from pathlib import Path
from example_rows import make_row
from study.plan import make_plan
from study.studies import load_study
from study.repository import read_code
from study.results import ResultStore
from study.run import main

store = ResultStore("results", "mine")
plan = make_plan(load_study("mine.py"), store, cache_dir=Path("cache"))
assert plan.code == read_code()[0]
for trial in plan.trials:
    store.write_trial(make_row(trial, 0.5))
assert main(["mine.py"]) == 0
(row,) = store.trials()
print(row["git_sha"], row["git_dirty"], row["diff_hash"])
"""

STUDY = """
from study.config import Data, Study
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
from study.weighting import hwf

STUDY = Study(name="mine", description="", data=Data(root="synthetic:tiny"), tracker=chained.Config(),
              objective=CLS_REG_REID, weighting=hwf.Config())
"""


def test_rows_name_the_difference_that_lies_beside_them(tmp_path):
    root = tmp_path / "repository"
    for package in ("study", "analysis", "search_spaces"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".gitignore").write_text("__pycache__\nresults\ncache\n")
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "all")
    (root / "mine.py").write_text(STUDY)

    def run() -> list[str]:
        environment = os.environ | {
            "LOSS_WEIGHTING_CACHE": str(root / "cache"),
            "PYTHONPATH": os.pathsep.join([str(root), str(ROOT / "tests")]),
        }
        done = subprocess.run(
            [sys.executable, "-c", DONE], cwd=root, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.splitlines()[-1].split()

    sha, dirty, diff_hash = run()
    assert (sha, dirty) == (git(root, "rev-parse", "HEAD"), "True")
    stored = root / "results" / "mine" / "diffs" / f"{diff_hash}.diff"
    assert "+STUDY = Study(" in stored.read_text()

    git(root, "add", ".")
    git(root, "commit", "-m", "mine")
    assert run() == [git(root, "rev-parse", "HEAD"), "False", "None"]
    assert list(stored.parent.iterdir()) == [stored]
