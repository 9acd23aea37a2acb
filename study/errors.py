"""Mistakes of the user, and the one way they are told: what, where, expected, found, what to do."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

KEPT = "finished trials and the checkpoints of unfinished ones are kept; the same command goes on from there"
"""What whoever breaks off is told."""


class UserError(ValueError):
    """A mistake the user can mend. Command lines print its text, without a traceback, and exit with code 2."""


class CommandParser(argparse.ArgumentParser):
    """Tells wrong arguments like any other mistake, in one line; `prog` is the command as it is typed."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message}; see '{self.prog} --help'")


def exit_code(command: Callable[[], int | None], interrupted: str) -> int:
    """Run a command line that changes nothing it has finished, and tell what ended it.

    Args:
        command: what it does, and the code it ends with (None: 0); mistakes of the user and the end of Ray are told on
            the error stream.
        interrupted: what to tell after Ctrl-C, SIGTERM or the end of Ray.

    Returns:
        The command's own code, 1 if Ray broke or nobody reads the output any more, 2 after a mistake of the user, 130
        or 143 after Ctrl-C or SIGTERM.
    """
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough. What is still buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ClusterError as error:
        print(f"error: {error}; {interrupted}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"interrupted: {interrupted}", file=sys.stderr)
        return 143 if isinstance(interrupt, Terminated) else 130
    return code or 0


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
