"""Ray Tune's part: which trial comes next, and what its schedulers see of it.

A Tune trial here holds no devices. The searcher submits a trial to the dispatcher at once, and the Tune actor follows
what a worker group reports of it. So a group that gets free finds its next job waiting, and neither the death of a Tune
actor nor its start costs device time.
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import TuneError
from ray.tune.logger import JsonLoggerCallback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from study.errors import UserError
from study.events import Trial, TrialDeclined
from study.execute.jobs import Job
from study.search.proposer import Proposer

TUNE = "tune"
"""Folder of the search among Ray's own files."""


class ProposedTrials(Searcher):
    """Submits what a proposer proposes, and tells it what became of it.

    Args:
        dispatcher: the study's `Dispatcher` actor.
        proposer: says which trials.
        most: trials under way at once; may be changed.
        job_of: the next job of a trial.
    """

    def __init__(
        self,
        dispatcher: Any,
        proposer: Proposer,
        most: int,
        job_of: Callable[[Trial], Job],
    ) -> None:
        super().__init__()
        self._dispatcher, self._proposer = dispatcher, proposer
        self.most, self._job_of = most, job_of
        self._under_way: dict[str, Trial] = {}
        self._unfollowed: list[Trial] = []
        self._finished = False
        self.error: UserError | None = None
        """What a result could not be told for; Tune makes a traceback of it."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial, or None until one under way has ended. `trial_id` is Tune's own name for it."""
        if self._finished:
            return str(Searcher.FINISHED)
        if self._unfollowed:
            self._under_way[trial_id] = self._unfollowed.pop(0)
            return _tune_config(self._under_way[trial_id])
        if len(self._under_way) >= self.most:
            return None
        trial = self._proposer.next()
        if trial is None:
            return self._finish() if self._proposer.ended and not self._under_way else None
        self._under_way[trial_id] = trial
        open_for_more = ray.get(self._dispatcher.submit.remote(self._job_of(trial)))
        if self._proposer.ended:
            ray.get(self._dispatcher.no_more_jobs.remote())
        self._finished = not open_for_more
        return _tune_config(trial)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass the figures of an epoch on."""
        if not result.get("done"):
            figures = {name: value for name, value in result.items() if name.startswith("val_")}
            with self._keeping_error():
                self._proposer.progress(self._under_way[trial_id], result["epoch"], figures)

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Pass the outcome on, and make room for the next."""
        trial = self._under_way.pop(trial_id)
        if error:  # its follower died while it started, which Tune does not try again; the trial itself goes on
            self._unfollowed.append(trial)
            return
        status = (result or {}).get("status", "interrupted")
        if status is None:
            declined = TrialDeclined(trial)
            ray.get(self._dispatcher.report.remote(pickle.dumps(declined), trial.trial_id, {}))
        with self._keeping_error():
            self._proposer.tell(trial, status, result or {})

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the rows of finished trials are the state."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, for the same reason: Tune pickles what it runs with, to restore it, which is never done."""
        return {}

    @contextmanager
    def _keeping_error(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            self.error = error
            raise

    def _finish(self) -> str:
        self._finished = True
        ray.get(self._dispatcher.no_more_jobs.remote())
        return str(Searcher.FINISHED)


def _tune_config(trial: Trial) -> dict[str, Any]:
    return {"trial_id": trial.trial_id, **(trial.suggested or {})}


class Follower(tune.Trainable):
    """Stands for a trial in Ray Tune: every step is an epoch that a worker group reported."""

    def setup(self, config: dict[str, Any], dispatcher: Any = None) -> None:
        """Follow a trial."""
        self._dispatcher = dispatcher
        self._follow(config["trial_id"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Follow another trial."""
        self._follow(new_config["trial_id"])
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the trial's next result."""
        result = ray.get(self._dispatcher.result.remote(self._trial, self._index))
        self._index += 1
        return result

    def _follow(self, trial_id: str) -> None:
        # From its first result, also after the death of an actor that had followed it already: schedulers and searchers
        # tell them apart by their epoch.
        self._trial, self._index = trial_id, 0


class Forgetting(tune.Callback):
    """Drops what Tune keeps of an ended trial and nobody reads: 70 kB a trial, for as long as the study runs.

    They are the last values of each figure, for averages over them; the averages themselves stay.
    """

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Drop them."""
        trial.run_metadata.metric_n_steps.clear()


def search(
    dispatcher: Any, searcher: ProposedTrials, scheduler: TrialScheduler | None, storage: Path, *, log: bool = False
) -> None:
    """Run Ray Tune until the searcher has no more trials and all have ended.

    Args:
        dispatcher: the study's `Dispatcher` actor.
        searcher: says which trials.
        scheduler: judges their epochs.
        storage: folder for Ray's own files; those of this search are in `tune` there.
        log: have Tune write what it sees of the trials, for its own tools.

    Raises:
        UserError: the searcher cannot be told of a result.
    """
    follower = tune.with_parameters(Follower, dispatcher=dispatcher)
    tuner = tune.Tuner(
        tune.with_resources(follower, {"node:__internal_head__": 0.001}),
        tune_config=tune.TuneConfig(search_alg=searcher, scheduler=scheduler, num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name=TUNE,
            storage_path=str(storage),
            verbose=0,
            callbacks=[Forgetting(), *([JsonLoggerCallback()] if log else [])],
            failure_config=tune.FailureConfig(max_failures=-1),  # a follower fails only if it is killed
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    except TuneError:
        if searcher.error is not None:
            raise searcher.error from None
        raise
