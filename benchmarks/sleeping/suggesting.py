"""What a suggestion of a search takes, by how many trials have been told."""

import random
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from study.results import ResultStore
from study.search.suggestions import Suggestions
from study.studies import load_study

AROUND = 20


def measure(numbers: list[int]) -> None:
    """Print processor seconds of a suggestion and its telling, and the bytes of the storage."""
    for name in ("hwf_random", "hwf_simplex"):
        print(pd.DataFrame(of(name, sorted(numbers))).round(3).to_string(index=False), flush=True)


def of(name: str, numbers: list[int]) -> list[dict[str, Any]]:
    """The mean of the last suggestions before so many trials."""
    study = load_study(name)
    assert study.search is not None
    study = study.model_copy(update={"search": study.search.model_copy(update={"num_configurations": numbers[-1]})})
    draw, rows, spent = random.Random(0), [], []
    with tempfile.TemporaryDirectory() as place:
        suggestions = Suggestions(study, "0" * 16, ResultStore(place, name), (), print)
        for number in range(1, numbers[-1] + 1):
            start = time.process_time()
            trial = suggestions.next()
            assert trial is not None
            suggestions.tell(trial, "completed", {"val_mota": draw.random(), "device_seconds": 100 * draw.random()})
            spent.append(time.process_time() - start)
            if number in numbers:
                bytes_ = sum(file.stat().st_size for file in Path(place).rglob("*.db*"))
                mean = sum(spent[-AROUND:]) / AROUND
                rows.append({"study": name, "trials": number, "cpu_s_a_suggestion": mean, "storage_kb": bytes_ / 1e3})
        suggestions.close()
    return rows
