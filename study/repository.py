"""The repository that the code lies in: its commit, and what differs from it, to have a trial's code again."""

import functools
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from study.redaction import redact

LIMIT_BYTES = 5 * 2**20
"""A larger difference is not stored: whoever has that much beside a commit has data among the code."""

# Whatever the user's own settings of git are, the difference has the form that `git apply` takes.
_DIFF = [
    "diff",
    "--binary",
    "--unified=3",
    "--no-color",
    "--no-ext-diff",
    "--no-renames",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
]


@dataclass(frozen=True)
class Code:
    """State of the code when it was planned to run.

    Attributes:
        sha: its commit; None without git, or if it is in no repository.
        dirty: whether the repository differs from that commit in any file; None without one.
        diff_hash: names the difference in tracked files and in new Python files that git does not ignore: 16
            hexadecimal digits; None if there is none, or if it is too large to be stored.
        diff_bytes: size of that difference.
        redacted: files whose difference holds secrets, which are left out of what is stored.
    """

    sha: str | None
    dirty: bool | None
    diff_hash: str | None
    diff_bytes: int
    redacted: tuple[str, ...] = ()

    @property
    def too_large(self) -> bool:
        """Whether there is a difference that is not stored because of its size."""
        return self.diff_bytes > LIMIT_BYTES


@functools.cache
def read_code(folder: Path = Path(__file__).parent) -> tuple[Code, bytes]:
    """State of the repository of a package, and its difference from the commit, empty where that is not stored.

    `git apply` of the difference on a checkout of the commit gives the same sources, and refuses one from which secrets
    were left out. The index is left as it is. A process looks once: what its trials are said to have run is what was
    there when they were planned.

    Args:
        folder: of a package that git knows.
    """
    if not _git(folder, "ls-files", "__init__.py") or not (sha := _git(folder, "rev-parse", "HEAD").decode().strip()):
        return Code(None, None, None, 0), b""
    dirty = bool(_git(folder, "status", "--porcelain"))
    difference, size = _difference(Path(_git(folder, "rev-parse", "--show-toplevel").decode().rstrip("\n")))
    if not 0 < size <= LIMIT_BYTES:
        return Code(sha, dirty, None, size), b""
    kept, redacted = redact(difference)
    return Code(sha, dirty, hashlib.sha256(kept).hexdigest()[:16], size, redacted), kept


def _difference(root: Path) -> tuple[bytes, int]:
    """Difference of a repository from its commit, and its size; only the size counts where that is beyond the limit."""
    changed = _git(root, *_DIFF, "--no-relative", "--ignore-submodules=dirty", "HEAD")
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", "*.py")
    new = [name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name]
    size = len(changed) + sum((root / name).lstat().st_size for name in new)
    if size <= LIMIT_BYTES:
        changed += b"".join(_git(root, *_DIFF, "--no-index", "--", "/dev/null", name) for name in new)
        size = len(changed)
    return changed, size


def _git(folder: Path, *arguments: str) -> bytes:
    """What git says, or nothing if it fails or is not installed; that two files differ is no failure."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 or "--no-index" in arguments else b""
