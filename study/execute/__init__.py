"""Runs the trials of a plan on this machine or a cluster; the only room that imports ray.

From here: `run_study`. `study.execute.attempt.run_attempt` runs one trial without ray, in a debugger.
Helper processes of Ray import this package too, so it imports nothing heavy itself.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from study.events import OnEvent
    from study.plan import Plan
    from study.results import ResultStore

__all__ = ["run_study"]


def run_study(
    plan: "Plan",
    store: "ResultStore",
    on_event: "OnEvent",
    *,
    tune_folder: "Path | None" = None,
    stop_after: int | None = None,
    wait: bool = False,
) -> None:
    """Run the missing trials of a plan; see `study.execute.runner.run_study`.

    Whatever a driver that was killed has left open in the ledger is closed, and its temporary folder is removed.
    """
    from study.execute.holding import close_running
    from study.execute.ray_folder import remove_abandoned

    close_running(store, "lost")
    if plan.ended:
        remove_abandoned()
        return
    from study.execute.runner import run_study

    run_study(plan, store, on_event, tune_folder=tune_folder, stop_after=stop_after, wait=wait)
