"""What all command lines here have in common: how they are read, and what they end with."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from study.errors import ClusterError, Terminated, UserError
from study.secrecy import without_secrets

RESULTS_VARIABLE = "LOSS_WEIGHTING_RESULTS"


class CommandParser(argparse.ArgumentParser):
    """Tells wrong arguments like any other mistake, in one line; `prog` is the command as it is typed."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message}; see '{self.prog} --help'")

    def add_results(self) -> None:
        """Take `--results`, which $LOSS_WEIGHTING_RESULTS gives where the command line does not."""
        default = os.environ.get(RESULTS_VARIABLE) or "results"
        told = f"folder, or s3:// or gs:// address (default: ${RESULTS_VARIABLE}, else results)"
        self.add_argument("--results", default=default, metavar="DIR", help=told)


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
        print(f"error: {without_secrets(str(error))}", file=sys.stderr)
        return 2
    except ClusterError as error:
        print(f"error: {without_secrets(str(error))}; {interrupted}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"interrupted: {interrupted}", file=sys.stderr)
        return 143 if isinstance(interrupt, Terminated) else 130
    return code or 0
