"""Configurations suggested by Optuna: asked for one by one, told what became of each, whatever is killed in between.

Ray Tune's own `OptunaSearch` is not used: after a restart it forgets which suggestions were running, it tells trials
that were stopped early as complete, and those without a figure never (docs/decisions.md).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from study.config import Study, digest
from study.events import Trial
from study.results import ResultStore
from study.schema import DONE
from study.search.known import at, make_trial, parameters_of, start_points
from study.search.metrics import better, is_figure
from study.search.proposer import Outcome
from study.search.samplers import make_sampler
from study.search.storage import Storage, quiet
from study.search_config import Search
from study.space import Fixed, choose, num_points

_TRIAL_ID = "trial_id"
_AGAIN = 200
"""Suggestions of known configurations in a row after which a space counts as exhausted."""


class Suggestions:
    """A `study.search.Proposer` over an Optuna study.

    The Optuna study is named after what is searched: space, base configuration, objectives and data. If the study file
    changes one of them, a new one begins beside the old, filled with the rows that fit.

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
        if self._storage.set_aside is not None:
            note(f"{self._storage.path} was damaged: kept as {self._storage.set_aside.name}, made again from the rows")
        name = self._name()
        with quiet():
            others = [other for other in optuna.get_all_study_names(self._storage.optuna) if other != name]
            self._optuna = optuna.create_study(
                storage=self._storage.optuna,
                study_name=name,
                directions=["maximize" if better(o) > 0 else "minimize" for o in self._search.objectives],
                load_if_exists=True,
            )
        self._numbers: dict[str, int] = {}  # of Optuna's running trial, by trial_id
        self._tried: set[str] = set()
        self._pending: list[Trial] = []
        self._exhausted = False
        self._most = min(self._search.num_configurations, num_points(self._search.space))
        fresh = not self._optuna.trials
        adopted = self._reconcile([row for row in store.trials() if row["trial_id"] not in paused])
        if fresh and others:
            note(
                f"the search has changed since it ran last: {adopted} earlier trials fit the new one and count; "
                "the others keep their rows"
            )
        self._storage.save()

    @property
    def ended(self) -> bool:
        """Whether as many configurations were suggested as the study file asks for."""
        return self._exhausted or (not self._pending and len(self._tried) >= self._most)

    def next(self) -> Trial | None:
        """A suggestion; those that were under way when the last run ended come first."""
        if self._pending:
            return self._pending.pop(0)
        if self.ended:
            return None
        for _ in range(_AGAIN):
            trial = self._ask()
            if trial is not None:
                self._tried.add(trial.trial_id)
                self._storage.save()
                return trial
        self._exhausted = True
        self._note(f"the space has no new points: the search ends after {len(self._tried)} configurations")
        return None

    def progress(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """Keep the figures of an epoch, which a trial that is stopped early is judged by."""
        name = self._search.objectives[0]
        if len(self._search.objectives) == 1 and is_figure(figures.get(name)) and trial.trial_id in self._numbers:
            storage = self._storage.optuna
            study_id = storage.get_study_id_from_name(self._optuna.study_name)
            asked = storage.get_trial_id_from_study_id_trial_number(study_id, self._numbers[trial.trial_id])
            storage.set_trial_intermediate_value(asked, epoch, figures[name])

    def tell(self, trial: Trial, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        """Pass a result on to Optuna; a trial that was interrupted or not started stays open for the next run."""
        if outcome in (None, "interrupted"):
            self._exhausted, self._pending = True, []
        else:
            self._finish(self._numbers.pop(trial.trial_id), outcome, figures)

    def close(self) -> None:
        """Let go of the storage."""
        self._storage.close()

    def _name(self) -> str:
        study = self._study
        base = study.configuration({}, "study").resolved()
        space = {key: dimension.model_dump(mode="json") for key, dimension in self._search.space.items()}
        return f"{study.name} {digest([base, space, self._search.objectives, self._data_hash])}"

    def _ask(self) -> Trial | None:
        """A new suggestion as a trial; None if its configuration is known, which Optuna is told."""
        with quiet():
            # Trials of other searches in the same storage have numbers of their own.
            number = len(self._optuna.get_trials(deepcopy=False))
            pruned = self._study.early_stopping is not None
            self._optuna.sampler = make_sampler(self._search, number, with_pruned=pruned)
            asked = self._optuna.ask()
            point = choose(self._search.space, asked, self._study.objective.tasks)
        configuration = self._study.configuration(point, "search.space")
        seed = self._study.seeds[0]
        trial = make_trial(configuration, seed, self._data_hash, asked.number, dict(asked.params))
        asked.set_user_attr(_TRIAL_ID, trial.trial_id)
        if trial.trial_id in self._tried:
            self._repeat(asked.number, trial.trial_id)
            return None
        self._numbers[trial.trial_id] = asked.number
        return trial

    def _repeat(self, number: int, trial_id: str) -> None:
        """Tell Optuna the known result of a configuration that it suggests again."""
        known = [
            t
            for t in self._optuna.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
            if t.user_attrs.get(_TRIAL_ID) == trial_id
        ]
        with quiet():
            if known:
                self._optuna.tell(number, known[0].values)
            else:
                self._optuna.tell(number, state=TrialState.FAIL)

    def _finish(self, number: int, outcome: Outcome, figures: Mapping[str, Any]) -> None:
        values: list[Any] = [figures.get(name) for name in self._search.objectives]
        with quiet():
            if outcome == "completed" and all(map(is_figure, values)):
                self._optuna.tell(number, values)
            elif outcome == "pruned" and len(values) == 1:
                self._optuna.tell(number, state=TrialState.PRUNED)
            else:
                self._optuna.tell(number, state=TrialState.FAIL)
        self._storage.save()

    def _reconcile(self, rows: list[dict[str, Any]]) -> int:
        """Bring Optuna's study and the rows together; returns how many rows Optuna had not known.

        A row that Optuna does not know is added. What Optuna takes for running either has a row by now, or is pending:
        it goes on from its last checkpoint. What Optuna knows as ended but has no row that stands runs again.
        """
        seed = self._study.seeds[0]
        mine = {
            row["trial_id"]: row
            for row in rows
            if row["seed"] == seed and row["data_hash"] == self._data_hash and row["imported_from"] is None
        }
        done = {trial_id for trial_id, row in mine.items() if row["status"] in DONE}
        known: dict[str, FrozenTrial] = {}
        for frozen in self._optuna.trials:
            trial_id = frozen.user_attrs.get(_TRIAL_ID)
            if trial_id is not None:
                known[trial_id] = frozen  # of several the last, the only one that may be running
            elif frozen.state == TrialState.RUNNING:  # killed between question and answer
                self._optuna.tell(frozen.number, state=TrialState.FAIL)
        for trial_id, frozen in known.items():
            if trial_id not in done:
                self._go_on(frozen, trial_id)
            elif frozen.state == TrialState.RUNNING:
                self._finish(frozen.number, mine[trial_id]["status"], mine[trial_id])
        tried = done & known.keys()
        adopted = 0
        for trial_id, row in sorted(mine.items(), key=lambda item: item[1]["ended_at"]):
            if trial_id not in known and (chosen := parameters_of(self._study, self._search, row)) is not None:
                if trial_id in done:
                    self._add(trial_id, row, chosen)
                    tried.add(trial_id)
                    adopted += 1
                else:
                    self._enqueue(chosen)
        if not known:
            for _, chosen in start_points(self._study, self._search):
                self._enqueue(chosen)
        self._tried = tried | {trial.trial_id for trial in self._pending}
        return adopted

    def _go_on(self, frozen: FrozenTrial, trial_id: str) -> None:
        """Run a trial that Optuna knows, and that has no row that stands."""
        if frozen.state == TrialState.RUNNING:
            configuration = at(self._study, self._search, frozen.params, "search.space")
            trial = make_trial(configuration, self._study.seeds[0], self._data_hash, frozen.number, frozen.params)
            self._numbers[trial_id] = frozen.number
            self._pending.append(trial)
        else:
            self._enqueue(frozen.params)

    def _enqueue(self, chosen: Mapping[str, Any]) -> None:
        with quiet():
            self._optuna.enqueue_trial(dict(chosen), skip_if_exists=False)

    def _add(self, trial_id: str, row: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
        """Give Optuna a result that it does not know."""
        recorder = _Recorder(chosen)
        choose(self._search.space, recorder, self._study.objective.tasks)
        values: list[Any] = [row.get(name) for name in self._search.objectives]
        complete = row["status"] == "completed" and all(map(is_figure, values))
        pruned = row["status"] == "pruned" and len(values) == 1 and is_figure(values[0])
        state = TrialState.COMPLETE if complete else TrialState.PRUNED if pruned else TrialState.FAIL
        self._optuna.add_trial(
            optuna.trial.create_trial(
                state=state,
                values=values if complete else None,
                params=dict(chosen),
                distributions=recorder.distributions,
                user_attrs={_TRIAL_ID: trial_id},
                intermediate_values={row["epochs"]: values[0]} if pruned else None,
            )
        )


class _Recorder(Fixed):
    """Makes the given choices, and notes what they were chosen from."""

    def __init__(self, chosen: Mapping[str, Any]) -> None:
        super().__init__(chosen)
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.distributions[name] = FloatDistribution(low, high, log=log)
        return super().suggest_float(name, low, high, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        self.distributions[name] = IntDistribution(low, high, log=log)
        return super().suggest_int(name, low, high, log=log)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.distributions[name] = CategoricalDistribution(tuple(choices))
        return super().suggest_categorical(name, choices)
