"""Early stopping: Ray Tune's schedulers judge every epoch, and the worker group that waits hears what they say."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from study.results import ResultStore
from study.search.metrics import better
from study.search_config import ASHA, EarlyStopping


@dataclass(frozen=True)
class _Named:
    """All that the schedulers look at of Tune's trials; by our names, they know a trial again after a restart."""

    trial_id: str


class Judge(FIFOScheduler):
    """Asks a scheduler of Ray Tune about every epoch, and tells the dispatcher; Tune itself lets all trials go on.

    So a trial that is stopped ends like any other: its worker writes the row, then everybody is told.

    Args:
        stopping: the rule.
        epochs: of a whole trial; after the last nothing is stopped.
        dispatcher: the study's `Dispatcher` actor.
        judged: whether a trial is, by its id.
    """

    def __init__(self, stopping: EarlyStopping, epochs: int, dispatcher: Any, judged: Callable[[str], bool]) -> None:
        super().__init__()
        self._rule: Any = _scheduler(stopping, epochs)
        self._epochs, self._dispatcher, self._judged = epochs, dispatcher, judged
        self._added: set[str] = set()

    def recall(self, results: Iterable[tuple[str, int, Mapping[str, Any]]]) -> None:
        """Take in the figures of earlier epochs: trial_id, epoch, figures by their names in `trials`."""
        for trial_id, epoch, figures in results:
            self._ask(trial_id, {"epoch": epoch, **figures})

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ARG002
        """Judge an epoch."""
        trial_id = trial.config["trial_id"]
        if self._judged(trial_id) and not result.get("done"):
            stop = self._ask(trial_id, result)
            self._dispatcher.judge.remote(trial_id, result["epoch"], stop)
        return str(TrialScheduler.CONTINUE)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the rows are the state, and Tune never restores this."""
        return {}

    def _ask(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        named = _Named(trial_id)
        if trial_id not in self._added:
            self._added.add(trial_id)
            self._rule.on_trial_add(None, named)
        decision = self._rule.on_trial_result(None, named, dict(result))
        return bool(decision == TrialScheduler.STOP) and result["epoch"] < self._epochs


def earlier_results(store: ResultStore, trial_ids: Iterable[str]) -> list[tuple[str, int, dict[str, Any]]]:
    """What `Judge.recall` takes: the validated epochs of these trials, in the order of the trials."""
    found = []
    for trial_id in trial_ids:
        for row in store.read_rows("epochs", trial_id):
            if row["split"] == "val" and row["task"] == "":
                figures = {f"val_{name}": value for name, value in row.items() if value is not None}
                found.append((trial_id, row["epoch"], figures))
    return found


def _scheduler(stopping: EarlyStopping, epochs: int) -> TrialScheduler:
    common: dict[str, Any] = {
        "time_attr": "epoch",  # Tune's own count begins again with every attempt
        "metric": stopping.metric,
        "mode": "max" if better(stopping.metric) > 0 else "min",
    }
    if isinstance(stopping, ASHA):
        return ASHAScheduler(
            **common,
            grace_period=min(stopping.grace_epochs, epochs),
            reduction_factor=stopping.reduction_factor,
            max_t=epochs,
            stop_last_trials=False,
        )
    return MedianStoppingRule(
        **common,
        grace_period=stopping.grace_epochs,
        min_samples_required=stopping.min_trials,
        min_time_slice=math.inf,  # type: ignore[arg-type]  # with anything less it pauses trials while there are too few to compare
    )
