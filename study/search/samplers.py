"""Optuna's samplers, set up for studies of tens of trials."""

import io
import pickle
from collections.abc import Sequence
from typing import Any

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from study.config import digest
from study.errors import UserError
from study.search.storage import quiet
from study.search_config import Search


def make_sampler(search: Search, number: int, *, with_pruned: bool) -> BaseSampler:
    """The sampler for the suggestion of this number, from 0.

    Every suggestion has a sampler and a seed of its own: a search that goes on after a kill draws neither the same
    numbers again nor others than it would have drawn. What samplers must remember they keep in the storage.

    Args:
        search: which sampler, and the seed of all suggestions.
        number: of the suggestion.
        with_pruned: whether trials may be stopped early; CMA-ES then learns from their last figures too.
    """
    seed = int(digest([search.sampler_seed, number]), 16) % 2**32
    # Before a model is of use: Optuna's 10, but not more than a third of a short search.
    startup = min(10, max(len(search.start), search.num_configurations // 3, 2))
    with quiet():
        match search.sampler:
            case "random":
                return RandomSampler(seed=seed)
            case "tpe":
                return TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, group=True)
            case "gp":
                return GPSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)
            case "cmaes":
                return _CmaEs(seed=seed, consider_pruned_trials=with_pruned, warn_independent_sampling=False)
            case "nsgaii":
                population = min(50, max(4, search.num_configurations // 3))
                return NSGAIISampler(seed=seed, population_size=population)


class _CmaEs(CmaEsSampler):
    """CMA-ES keeps its state pickled in the storage, which may come from elsewhere: only that state is unpickled."""

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            parts = {key: part for key, part in trial.system_attrs.items() if key.startswith(self._attr_key_optimizer)}
            if parts:
                return _read_state(self._concat_optimizer_attrs(parts))
        return None


def _read_state(digits: str) -> Any:
    try:
        state = _State(io.BytesIO(bytes.fromhex(digits))).load()
        if type(state).__name__ == "CMA":
            return state
        reason = f"found a {type(state).__name__}"
    except Exception as error:  # damaged pickles raise many types
        reason = str(error) or type(error).__name__
    raise UserError(
        f"the state of CMA-ES in the Optuna storage cannot be used ({reason}); delete optuna.db, and the search is "
        "filled again from the rows"
    )


class _State(pickle.Unpickler):
    """The state of CMA-ES: its class, and arrays."""

    _CLASSES = frozenset(
        {
            ("cmaes._cma", "CMA"),
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "scalar"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._CLASSES:
            raise pickle.UnpicklingError(f"it names code, {module}.{name}, which is never run")
        return super().find_class(module, name)
