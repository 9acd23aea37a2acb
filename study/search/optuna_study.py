"""One search in an Optuna storage, in this platform's terms: its trials go by their trial_id."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from study.config import Study, digest
from study.draw import Draw, Fixed
from study.search.metrics import better, is_figure
from study.search.storage import Storage
from study.search_config import Search
from study.space import choose

_TRIAL_ID = "trial_id"
_KILLED = "killed"
"""Marks what was asked for and never answered."""


class OptunaStudy:
    """Named after what is searched: space, base configuration, objectives, data and seed.

    If the study file changes one of them, a new one begins beside the old.

    Args:
        storage: where it is.
        study: a study that searches by a `Search`.
        data_hash: hash of its data.
    """

    def __init__(self, storage: Storage, study: Study, data_hash: str) -> None:
        assert isinstance(study.search, Search)
        self._storage, self._search, self._tasks = storage, study.search, study.objective.tasks
        base = study.configuration({}, "study").resolved()
        space = {key: dimension.model_dump(mode="json") for key, dimension in self._search.space.items()}
        name = f"{study.name} {digest([base, space, self._search.objectives, data_hash, study.seeds[0]])}"
        with storage.use():
            self.others = [other for other in optuna.get_all_study_names(storage.optuna) if other != name]
            """Names of earlier searches in the storage."""
            self._optuna = optuna.create_study(
                storage=storage.optuna,
                study_name=name,
                directions=["maximize" if better(o) > 0 else "minimize" for o in self._search.objectives],
                load_if_exists=True,
            )

    def __len__(self) -> int:
        """How many suggestions it has, repeated and enqueued ones too; what runs again after a kill counts once."""
        all_trials = self._all()
        return len({t.user_attrs.get(_TRIAL_ID, t.number) for t in all_trials if _KILLED not in t.user_attrs})

    @property
    def tried(self) -> list[dict[str, Any]]:
        """Parameters of all its trials."""
        return [chosen(trial) for trial in self._all()]

    def trials(self) -> dict[str, FrozenTrial]:
        """Trials by trial_id: of several that which is under way, or else the last.

        What was killed between question and answer is told as failed; if it had been enqueued, it is among these.
        """
        found: dict[str, FrozenTrial] = {}
        for trial in copy.deepcopy(self._all()):
            trial_id = trial.user_attrs.get(_TRIAL_ID)
            if trial.state == TrialState.RUNNING and (trial_id is None or trial.params.keys() != chosen(trial).keys()):
                self._storage.optuna.set_trial_user_attr(self._key(trial.number), _KILLED, True)
                self._tell(trial.number, state=TrialState.FAIL)
                trial.state = TrialState.FAIL
            if trial_id is not None and (trial_id not in found or found[trial_id].state.is_finished()):
                found[trial_id] = trial
        return found

    def ask(self, sampler: BaseSampler) -> tuple[int, dict[str, Any]]:
        """Number and parameters of a new trial: one that is enqueued, or else the sampler's."""
        with self._storage.use():
            self._optuna.sampler = sampler
            asked = self._optuna.ask()
            choose(self._search.space, asked, self._tasks)
        return asked.number, dict(asked.params)

    def name(self, number: int, trial_id: str) -> None:
        """Note which trial the answer to a question is."""
        with self._storage.use():
            self._storage.optuna.set_trial_user_attr(self._key(number), _TRIAL_ID, trial_id)

    def enqueue(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        """Ask for these parameters before any that the sampler suggests."""
        with self._storage.use():
            self._optuna.enqueue_trial(dict(parameters), user_attrs={_TRIAL_ID: trial_id})

    def progress(self, number: int, epoch: int, figure: float) -> None:
        """Keep a running trial's figure of an epoch."""
        with self._storage.use():
            self._storage.optuna.set_trial_intermediate_value(self._key(number), epoch, figure)

    def finish(self, number: int, status: str, figures: Mapping[str, Any]) -> None:
        """Tell the result of a running trial."""
        state, values = self._result(status, figures)
        self._tell(number, values if state == TrialState.COMPLETE else None, state)

    def repeat(self, number: int, trial_id: str) -> None:
        """Tell the known result of a trial that is suggested again; without one it counts as failed."""
        known = (trial for trial in self._all() if trial.user_attrs.get(_TRIAL_ID) == trial_id)
        values = next((trial.values for trial in known if trial.state == TrialState.COMPLETE), None)
        self._tell(number, values, TrialState.FAIL if values is None else TrialState.COMPLETE)

    def add(self, trial_id: str, row: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        """Add the result of a row of `trials`."""
        noting = Noting(Fixed(parameters))
        choose(self._search.space, noting, self._tasks)
        state, values = self._result(row["status"], row)
        judged = state == TrialState.PRUNED and is_figure(values[0])
        trial = optuna.trial.create_trial(
            state=state,
            values=values if state == TrialState.COMPLETE or judged else None,
            params=noting.chosen,
            distributions=noting.distributions,
            user_attrs={_TRIAL_ID: trial_id},
            intermediate_values={row["epochs"]: values[0]} if judged else None,
        )
        with self._storage.use():
            self._optuna.add_trial(trial)

    def _all(self) -> list[FrozenTrial]:
        """All its trials, not to be changed."""
        with self._storage.use():
            return self._optuna.get_trials(deepcopy=False)

    def _result(self, status: str, figures: Mapping[str, Any]) -> tuple[TrialState, list[Any]]:
        values = [figures.get(name) for name in self._search.objectives]
        if status == "completed" and all(map(is_figure, values)):
            return TrialState.COMPLETE, values
        if status == "pruned" and len(values) == 1:
            return TrialState.PRUNED, values
        return TrialState.FAIL, values

    def _tell(self, number: int, values: Sequence[float] | None = None, state: TrialState | None = None) -> None:
        with self._storage.use():
            self._optuna.tell(number, values, state=state)

    def _key(self, number: int) -> int:
        storage = self._storage.optuna
        study_id = storage.get_study_id_from_name(self._optuna.study_name)
        return storage.get_trial_id_from_study_id_trial_number(study_id, number)


def chosen(trial: FrozenTrial) -> dict[str, Any]:
    """Parameters of one of Optuna's trials, also if it has only been enqueued."""
    return dict(trial.system_attrs.get("fixed_params", trial.params))


class Noting:
    """Lets another choose, and notes what was chosen, and from what."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.chosen: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number of [low, high]."""
        self.distributions[name] = FloatDistribution(low, high, log=log)
        self.chosen[name] = value = self._draw.suggest_float(name, low, high, log=log)
        return value

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number of [low, high]."""
        self.distributions[name] = IntDistribution(low, high, log=log)
        self.chosen[name] = value = self._draw.suggest_int(name, low, high, log=log)
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        self.distributions[name] = CategoricalDistribution(tuple(choices))
        self.chosen[name] = value = self._draw.suggest_categorical(name, choices)
        return value
