"""A study of tiny trials that really ran here, one at a time on one thread."""

from types import SimpleNamespace

import pytest
import torch
from short_trials import tiny_study

from study.data import read_splits
from study.execute.attempt import run_attempt
from study.plan import make_plan
from study.results import ResultStore


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def splits(cache_dir):
    return read_splits(tiny_study().data, cache_dir)


@pytest.fixture(scope="session")
def ran(tmp_path_factory, cache_dir):
    """Its store, its plan before it ran, and the rows that its two trials left."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    store = ResultStore(tmp_path_factory.mktemp("ran"), "tiny")
    plan = make_plan(tiny_study(seeds=(0, 1)), store, cache_dir=cache_dir)
    store.write_manifest(plan.splits.data_hash, plan.splits.manifest, plan.study.data.root)
    for trial in plan.trials:
        run_attempt(trial, plan, store, attempt=1, device=torch.device("cpu"))
    torch.set_num_threads(threads)
    return SimpleNamespace(store=store, plan=plan, rows={row["trial_id"]: row for row in store.trials()})
