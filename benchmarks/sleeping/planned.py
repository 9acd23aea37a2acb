"""What planning many trials takes, and what of the plan goes to the workers."""

import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from sleeping_trials import STUDY

from study.config import Study
from study.data import default_cache_dir
from study.plan import make_plan
from study.results import ResultStore

_UNPACK = """
import pickle, psutil, sys
before = psutil.Process().memory_info().rss
import study.plan, study.results, study.execute.attempt, sleeping.tracker
with open(sys.argv[1], "rb") as file:
    base = psutil.Process().memory_info().rss
    kept = pickle.load(file)
print((psutil.Process().memory_info().rss - base) / 1e6)
"""


def measure(numbers: list[int]) -> None:
    """Print it for each number of trials."""
    print(pd.DataFrame([of(number) for number in numbers]).round(3).to_string(index=False))


def of(trials: int) -> dict[str, float]:
    """What it takes to plan so many trials, to pack and unpack what workers need of it, and to list their ledger."""
    points = tuple({"weighting.loss_weights.cls": 1 + i / 1000} for i in range(trials))
    study = Study(**{name: getattr(STUDY, name) for name in Study.model_fields} | {"points": points})
    with tempfile.TemporaryDirectory() as place:
        store = ResultStore(place, study.name)
        plan, seconds = spent(lambda: make_plan(study, store, cache_dir=default_cache_dir()))
        packed, pack_seconds = spent(lambda: pickle.dumps((plan.for_workers(), store)))
        for trial in plan.trials:
            Path(place, study.name, "ledger", f"{trial.trial_id}-1.parquet").touch()
        _, list_seconds = spent(lambda: (store.folder / "ledger").names(".parquet"))
        file = Path(place, "work")
        file.write_bytes(packed)
        command = [sys.executable, "-c", _UNPACK, str(file)]
        told = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
        )
    return {
        "trials": trials,
        "plan_cpu_s": seconds,
        "packed_mb": len(packed) / 1e6,
        "pack_cpu_s": pack_seconds,
        "unpacked_mb": float(told.stdout),
        "list_ledger_cpu_s": list_seconds,
    }


def spent(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its processor seconds."""
    start = time.process_time()
    return call(), time.process_time() - start
