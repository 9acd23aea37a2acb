"""Configurations suggested by Optuna: asked for one by one, told what became of each, whatever is killed in between.

Ray Tune's own `OptunaSearch` is not used: after a restart it forgets which suggestions were running, it tells trials
that were stopped early as complete, and those without a figure never (docs/decisions.md).
"""

import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

from optuna.trial import TrialState

from study.config import Study
from study.draw import RandomDraw
from study.events import Trial
from study.results import ResultStore
from study.schema import DONE
from study.search.known import at, make_trial, parameters_of, start_points
from study.search.metrics import is_figure
from study.search.optuna_study import Noting, OptunaStudy, chosen
from study.search.promotion import standing
from study.search.proposer import Outcome
from study.search.samplers import make_sampler
from study.search.storage import Storage
from study.search_config import Search
from study.space import choose, num_points

_REPEATS = 5
"""Suggestions of known configurations in a row after which one is drawn at random from those that are left."""

_DRAWS = 100_000
"""Draws after which a space counts as exhausted, and how many for each of its points."""
_DRAWS_A_POINT = 20


class Suggestions:
    """A `study.search.Proposer` over an Optuna study, which is filled with the rows that fit.

    Args:
        study: the study.
        data_hash: hash of its data.
        store: rows of finished trials, and the place of the storage.
        paused: ids of trials whose rows are not their last word.
        note: called with a line on what the user should know.

    Raises:
        UserError: the storage cannot be written.
    """

    def __init__(
        self, study: Study, data_hash: str, store: ResultStore, paused: Collection[str], note: Callable[[str], None]
    ) -> None:
        assert isinstance(study.search, Search)
        self._study, self._search, self._data_hash, self._note = study, study.search, data_hash, note
        self._storage = Storage(store)
        if (kept := self._storage.set_aside) is not None:
            note(f"{self._storage.path} could not be read: kept as {kept.name}, made again from the rows")
        self._optuna = OptunaStudy(self._storage, study, data_hash)
        self._numbers: dict[str, int] = {}  # of Optuna's running trial, by trial_id
        self._tried: set[str] = set()
        self._pending: list[Trial] = []
        self._exhausted = False
        fresh = not len(self._optuna)
        adopted, known = self._reconcile(standing(store.trials(), paused))
        self._most = max(min(self._search.num_configurations, num_points(self._search.space)), known)
        if fresh and self._optuna.others:
            note(
                f"the search has changed since it ran last: {adopted} earlier trials fit the new one and count; "
                "the others keep their rows"
            )
        elif fresh and adopted:
            note(f"{self._storage.path} is new: {adopted} earlier trials fit the search and count")
        self._storage.save()

    @property
    def ended(self) -> bool:
        """Whether as many configurations were suggested as the study file asks for."""
        return self._exhausted or (not self._pending and len(self._tried) >= self._most)

    def next(self) -> Trial | None:
        """A suggestion; those that were under way when the last run ended come first."""
        if self._pending:
            return self._pending.pop(0)
        while not self.ended:
            for _ in range(_REPEATS):
                trial = self._ask()
                self._storage.save()
                if trial is not None:
                    return trial
            if not self._enqueue_new():
                self._exhausted = True
                self._note(f"the space has no new points: the search ends after {len(self._tried)} configurations")
        return None

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """Keep the figures of an epoch, which a trial that is stopped early is judged by."""
        name = self._search.objectives[0]
        if len(self._search.objectives) == 1 and is_figure(figures.get(name)) and trial.trial_id in self._numbers:
            self._optuna.progress(self._numbers[trial.trial_id], epoch, figures[name])

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        """Pass a result on to Optuna; a trial that was interrupted or not started stays open for the next run."""
        if outcome in (None, "interrupted"):
            self._exhausted, self._pending = True, []
        else:
            self._optuna.finish(self._numbers.pop(trial.trial_id), outcome, figures)
            self._storage.save()

    def close(self) -> None:
        """Let go of the storage."""
        self._storage.close()

    def _ask(self) -> Trial | None:
        """A new suggestion as a trial; None if its configuration is known, which Optuna is told."""
        sampler = make_sampler(self._search, len(self._optuna), with_pruned=self._study.early_stopping is not None)
        number, parameters = self._optuna.ask(sampler)
        trial = self._trial(parameters)
        if trial.trial_id in self._tried:
            self._optuna.repeat(number, trial.trial_id)
            return None
        self._optuna.name(number, trial.trial_id)
        self._numbers[trial.trial_id] = number
        self._tried.add(trial.trial_id)
        return trial

    def _enqueue_new(self) -> bool:
        """Enqueue a point of the space that is not known, drawn at random; whether there is one."""
        source = random.Random(f"{self._search.sampler_seed}/{len(self._optuna)}")
        known = {frozenset(parameters.items()) for parameters in self._optuna.tried}
        for _ in range(int(min(_DRAWS_A_POINT * num_points(self._search.space), _DRAWS))):
            noting = Noting(RandomDraw(source))
            choose(self._search.space, noting, self._study.objective.tasks)
            if frozenset(noting.chosen.items()) not in known:
                trial = self._trial(noting.chosen)
                if trial.trial_id not in self._tried:
                    self._optuna.enqueue(trial.trial_id, noting.chosen)
                    return True
        return False

    def _trial(self, parameters: Mapping[str, Any]) -> Trial:
        configuration = at(self._study, self._search, parameters, "search.space")
        return make_trial(configuration, self._study.seeds[0], self._data_hash, len(self._tried), parameters)

    def _reconcile(self, rows: list[dict[str, Any]]) -> tuple[int, int]:
        """Bring Optuna's study and the rows together.

        A row that Optuna does not know is added. What Optuna takes for running either has a row by now, or is pending:
        it goes on from its last checkpoint. What Optuna knows as ended but has no row that stands runs again, and so
        does what has a row of a trial that broke off. Starting points that nobody knows are enqueued.

        Returns:
            How many rows Optuna had not known, and how many configurations are known by now.
        """
        seed = self._study.seeds[0]
        mine = {
            row["trial_id"]: row
            for row in rows
            if row["seed"] == seed and row["data_hash"] == self._data_hash and row["imported_from"] is None
        }
        done = {trial_id for trial_id, row in mine.items() if row["status"] in DONE}
        known = self._optuna.trials()
        again: dict[str, Mapping[str, Any]] = {}
        waiting: set[str] = set()
        added: set[str] = set()
        for trial_id, row in sorted(mine.items(), key=lambda item: item[1]["ended_at"]):
            if trial_id not in known or known[trial_id].state == TrialState.WAITING:
                of_row = parameters_of(self._study, self._search, row)
                if of_row is not None and trial_id in done:
                    self._optuna.add(trial_id, row, of_row)
                    added.add(trial_id)
                elif of_row is not None:
                    again[trial_id] = of_row
        self._tried = added | (done & known.keys())
        for trial_id, frozen in known.items():
            if trial_id in done:
                if frozen.state == TrialState.RUNNING:
                    self._optuna.finish(frozen.number, mine[trial_id]["status"], mine[trial_id])
            elif frozen.state == TrialState.RUNNING:
                self._pending.append(self._trial(frozen.params))
                self._numbers[trial_id] = frozen.number
                self._tried.add(trial_id)
            elif frozen.state == TrialState.WAITING:
                waiting.add(trial_id)
            else:
                again[trial_id] = chosen(frozen)
        for configuration, parameters in start_points(self._study, self._search):
            trial = make_trial(configuration, seed, self._data_hash, 0, parameters)
            if trial.trial_id not in known and trial.trial_id not in mine:
                again[trial.trial_id] = parameters
        for trial_id, of_trial in again.items():
            if trial_id not in waiting:
                self._optuna.enqueue(trial_id, of_trial)
        return len(added), len(self._tried | waiting | again.keys())
