"""Optuna's samplers, set up for studies of tens of trials."""

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from study.config import digest
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
                return CmaEsSampler(seed=seed, consider_pruned_trials=with_pruned, warn_independent_sampling=False)
            case "nsgaii":
                population = min(50, max(4, search.num_configurations // 3))
                return NSGAIISampler(seed=seed, population_size=population)
