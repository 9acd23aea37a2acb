"""A process that is killed just before its n-th change to the results, for a test to go through every n."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

Change = Callable[[], None]


def ends(action: Callable[[Change], None], folder: Path, kill_before: int) -> bool:
    """Run an action in a fork of this process, which is killed (SIGKILL) before a change of this number.

    A change is a file in the folder that is renamed or removed, or whatever the action calls its argument for.

    Returns:
        Whether the action came to its end: it makes fewer changes.
    """
    process = os.fork()
    if process == 0:
        changes = 0

        def change() -> None:
            nonlocal changes
            changes += 1
            if changes == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

        def look(event: str, arguments: tuple) -> None:
            if event in ("os.rename", "os.remove") and str(arguments[0]).startswith(f"{folder}/"):
                change()

        sys.addaudithook(look)
        try:
            action(change)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code in (0, -signal.SIGKILL), f"exit code {code}"
    return code == 0


def run_script(script: str, *arguments: object) -> str:
    """What a script of a test prints; it finds what the test finds."""
    import subprocess

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
