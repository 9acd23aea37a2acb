"""Early stopping: Ray Tune's schedulers judge every epoch, and the worker group that waits hears what they say."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from study.execute.verdict import Verdict
from study.results import ResultStore
from study.search.metrics import better
from study.search_config import ASHA, EarlyStopping


@dataclass(frozen=True)
class _Named:
    """All that the schedulers look at of Tune's trials; by our names, they know a trial again after a restart."""

    trial_id: str


Rule = Callable[[str, int, Mapping[str, Any]], bool]
"""Whether a trial goes on, by its id, after an epoch with these figures."""


class Judge(FIFOScheduler):
    """Asks a rule about every epoch that Ray Tune sees, and tells the dispatcher; Tune itself lets all trials go on.

    So a trial that is stopped ends like any other: its worker writes the row, then everybody is told.

    Args:
        rule: says whether a trial goes on.
        otherwise: what becomes of it if not.
        dispatcher: the study's `Dispatcher` actor.
        judged: whether a trial is judged at all, by its id.
    """

    def __init__(self, rule: Rule, otherwise: Verdict, dispatcher: Any, judged: Callable[[str], bool]) -> None:
        super().__init__()
        self._rule, self._otherwise = rule, otherwise
        self._dispatcher, self._judged = dispatcher, judged

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ARG002
        """Judge an epoch."""
        trial_id = trial.config["trial_id"]
        if self._judged(trial_id) and not result.get("done"):
            goes_on = self._rule(trial_id, result["epoch"], result)
            verdict = Verdict.GO_ON if goes_on else self._otherwise
            self._dispatcher.judge.remote(trial_id, result["epoch"], verdict)
        return str(TrialScheduler.CONTINUE)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the rows are the state, and Tune never restores this."""
        return {}


class TuneRule:
    """A scheduler of Ray Tune as a rule.

    Args:
        stopping: which one.
        epochs: of a whole trial; after the last nothing is stopped.
    """

    def __init__(self, stopping: EarlyStopping, epochs: int) -> None:
        self._scheduler: Any = _scheduler(stopping, epochs)
        self._epochs = epochs
        self._added: set[str] = set()

    def __call__(self, trial_id: str, epoch: int, figures: Mapping[str, Any]) -> bool:
        """See `Rule`."""
        named = _Named(trial_id)
        if trial_id not in self._added:
            self._added.add(trial_id)
            self._scheduler.on_trial_add(None, named)
        decision = self._scheduler.on_trial_result(None, named, {**figures, "epoch": epoch})
        return bool(decision != TrialScheduler.STOP) or epoch >= self._epochs


def earlier_results(store: ResultStore, trial_ids: Iterable[str]) -> list[tuple[str, int, dict[str, Any]]]:
    """The validated epochs of these trials, as a `Rule` takes them."""
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
