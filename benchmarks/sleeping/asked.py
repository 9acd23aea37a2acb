"""Requests to an object store of trials that run one after the other in this process, as a worker runs them."""

import re
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import torch
from sleeping_trials import STUDY

from study.config import Study
from study.data import default_cache_dir
from study.execute.attempt import run_attempt
from study.execute.holding import Holding
from study.housekeeping import HouseKeeper
from study.plan import make_plan
from study.results import ResultStore

sys.path.append(str(Path(__file__).parents[2] / "tests"))

_KINDS = re.compile(r"/(trials|steps|epochs|sequences|ledger|checkpoints|data|diffs)\b")


def measure(trials: int) -> None:
    """Print how many requests the first trial makes, and on average each of the later ones."""
    from s3_server import running  # type: ignore[import-not-found]  # of the tests

    seen: Counter[str] = Counter()

    def note(method: str, path: str) -> None:
        kind = _KINDS.search(path)
        of_bucket = method == "GET" and "/" not in path.strip("/")
        seen[f"{'LIST' if of_bucket else method} {kind[1] if kind else ''}".strip()] += 1

    tracker = STUDY.tracker.model_copy(update={"step_seconds": 0.0})
    points = tuple({"weighting.loss_weights.cls": 1 + i / 1000} for i in range(trials))
    study = Study(
        **{name: getattr(STUDY, name) for name in Study.model_fields} | {"points": points, "tracker": tracker}
    )
    with running("bucket") as server:
        server.refuse = note
        store = ResultStore(server.uri, study.name)
        plan = make_plan(study, store, cache_dir=default_cache_dir())
        keeper = HouseKeeper(store, study.execution.keep_checkpoints)
        idle = Holding(store, "g-idle", kind="idle", devices=1.0, group_id="g")
        counts = [seen.copy()]
        for trial in plan.trials:
            row = run_attempt(trial, plan, store, attempt=1, device=torch.device("cpu"), group_id="g", idle=idle)
            assert row is not None
            keeper.trial_ended(row)
            counts.append(seen.copy())
        idle.end("completed")
    table = pd.DataFrame(
        {
            "before": counts[0],
            "the first": Counter(counts[1]) - counts[0],
            "each later": {name: (counts[-1][name] - counts[1][name]) / (trials - 1) for name in counts[-1]},
            "the last": Counter(counts[-1]) - counts[-2],
        }
    ).fillna(0)
    table.loc["all"] = table.sum()
    print(table.round(2).to_string())
