"""Early stopping: Ray Tune's schedulers judge every epoch, and the worker group that waits hears what they say."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from study.execute.verdict import Verdict
from study.results import ResultStore
from study.schema import DONE
from study.search.metrics import better
from study.search.promotion import Earlier
from study.search_config import ASHA, EarlyStopping


@dataclass(frozen=True)
class _Named:
    """All that the schedulers look at of Tune's trials; by our names, they know a trial again after a restart."""

    trial_id: str


class Rule(Protocol):
    """What judges epochs; `figures` are empty after an epoch that was not validated."""

    def remember(self, earlier: Earlier) -> None:
        """Take in what a trial came to in earlier runs, without judging it."""

    def judge(self, trial_id: str, epoch: int, figures: Mapping[str, Any]) -> bool:
        """Whether a trial goes on after an epoch. The same epoch may be told again, by another attempt or actor."""


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
            goes_on = self._rule.judge(trial_id, result["epoch"], result)
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
        self._metric, self._epochs = stopping.metric, epochs
        self._seen: dict[str, int] = {}
        self._stopped: dict[str, int] = {}

    def remember(self, earlier: Earlier) -> None:
        """See `Rule`. The figures that a broken-off trial came to last are left to be judged by the next ones."""
        for epoch, figures in earlier.figures.items():
            if self._metric in figures and (earlier.ended or epoch < earlier.epochs):
                self._seen[earlier.trial_id] = epoch
                # The end of a trial is taken in like any result, and nothing is decided.
                self._scheduler.on_trial_complete(None, self._known(earlier.trial_id), {**figures, "epoch": epoch})

    def judge(self, trial_id: str, epoch: int, figures: Mapping[str, Any]) -> bool:
        """See `Rule`. Once stopped a trial stays so, whoever did not hear of it."""
        if epoch > self._seen.get(trial_id, 0) and trial_id not in self._stopped:
            self._seen[trial_id] = epoch
            decision = self._scheduler.on_trial_result(None, self._known(trial_id), {**figures, "epoch": epoch})
            if decision == TrialScheduler.STOP and epoch < self._epochs:
                self._stopped[trial_id] = epoch
        return epoch < self._stopped.get(trial_id, math.inf)

    def _known(self, trial_id: str) -> _Named:
        """A trial that the scheduler has heard of; telling it again does nothing."""
        named = _Named(trial_id)
        self._scheduler.on_trial_add(None, named)
        return named


def earlier_results(store: ResultStore, trial_ids: Iterable[str]) -> Iterator[Earlier]:
    """What these trials came to, as far as they have begun."""
    for trial_id in trial_ids:
        if rows := store.read_rows("epochs", trial_id):
            figures = {
                row["epoch"]: {f"val_{name}": value for name, value in row.items() if value is not None}
                for row in rows
                if row["split"] == "val" and row["task"] == ""
            }
            trial = store.trial(trial_id) or {"status": "interrupted", "epochs": 0}
            epochs, status = max(row["epoch"] for row in rows), trial["status"]
            yield Earlier(trial_id, figures, epochs, status in DONE, status == "pruned" and trial["epochs"] == epochs)


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
