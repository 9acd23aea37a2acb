"""Ray Tune's part: which trial comes next, and what its schedulers see of it.

A Tune trial here holds no devices. The searcher submits a trial to the dispatcher at once, and the Tune actor follows
what a worker group reports of it. So a group that gets free finds its next job waiting, and neither the death of a Tune
actor nor its start costs device time.
"""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from study.events import Trial
from study.execute.dispatcher import Job

AHEAD = 1
"""Trials that are submitted beyond those that run."""


class PlannedTrials(Searcher):
    """Suggests the trials of a plan in their order.

    Args:
        dispatcher: the study's `Dispatcher` actor.
        trials: those to run.
        attempts: earlier attempts, by trial_id.
        most: trials under way at once.
    """

    def __init__(self, dispatcher: Any, trials: tuple[Trial, ...], attempts: Mapping[str, int], most: int) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._trials: Iterator[Trial] = iter(trials)
        self._left = len(trials)
        self._attempts = attempts
        self._most = most
        self._under_way: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next trial, or None until one under way has ended. `trial_id` is Tune's own name for it."""
        if len(self._under_way) >= self._most:
            return None
        trial = next(self._trials)
        self._under_way.add(trial_id)
        self._left -= 1
        attempt = self._attempts.get(trial.trial_id, 0) + 1
        ray.get(self._dispatcher.submit.remote(Job(trial.trial_id, attempt, 0, pickle.dumps(trial))))
        if not self._left:
            ray.get(self._dispatcher.no_more_jobs.remote())
        return {"trial_id": trial.trial_id}

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:  # noqa: ARG002
        """Make room for the next."""
        self._under_way.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the rows of finished trials are the state."""


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


def search(dispatcher: Any, searcher: Searcher, num_trials: int, storage: Path) -> None:
    """Run Ray Tune until the searcher has no more trials and all have ended.

    Args:
        dispatcher: the study's `Dispatcher` actor.
        searcher: says which trials.
        num_trials: how many at most.
        storage: folder for Ray's own files.
    """
    follower = tune.with_parameters(Follower, dispatcher=dispatcher)
    tuner = tune.Tuner(
        tune.with_resources(follower, {"node:__internal_head__": 0.001}),
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=num_trials, reuse_actors=True),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            verbose=0,
            callbacks=[Forgetting()],
            failure_config=tune.FailureConfig(max_failures=3),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    tuner.fit()
