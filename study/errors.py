"""Mistakes of the user, and the one way they are told: what, where, expected, found, what to do."""

import difflib
from collections.abc import Iterable

KEPT = "finished trials and the checkpoints of unfinished ones are kept; the same command goes on from there"
"""What whoever breaks off is told."""


class UserError(ValueError):
    """A mistake the user can mend. Command lines print its text, without a traceback, and exit with code 2."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a study as Ctrl-C does."""


_LISTED = 30
"""Known names that an error lists at most: the methods and settings there are, but not all trials."""


class ClusterError(RuntimeError):
    """Ray, or a part of it that a study needs, has ended; run again, the study goes on from rows and checkpoints."""


class DivergedError(RuntimeError):
    """A task loss, the total or the gradient norm stopped being finite; the trial ends with status `diverged`."""


def nearest(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """The closing words of an error about an unknown name: the nearest known one, else those there are, or others."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close or otherwise:
        return f"did you mean {close[0]!r}?" if close else otherwise or ""
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"known: {', '.join(known[:_LISTED]) or 'none'}{more}"
