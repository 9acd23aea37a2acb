"""Memory of the driver and files of the results over a study of 300 tiny trials.

    python benchmarks/housekeeping.py FOLDER

Runs a real study of 300 loss weights, one epoch of two steps each, and prints after every 25 trials: seconds since the
start, resident memory of the driver and of the actor that hands out jobs, files and bytes of the results by kind, and
how long it takes to read all rows of `trials` and of `ledger`. FOLDER gets the results; it must not hold any of this
study. With `--keep all` no model is removed.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from study.config import Data, Execution, Study, Train
from study.data import default_cache_dir
from study.events import TrialEnded
from study.execute import run_study
from study.losses.objectives import CLS_REG_REID
from study.plan import make_plan
from study.results import ResultStore
from study.tracker import chained
from study.weighting import hwf

EVERY = 25


def tiny_study(trials: int, keep: str) -> Study:
    """Every trial weighs one task differently and takes a fraction of a second."""
    return Study(
        name="housekeeping",
        description="Tiny trials",
        data=Data(root="synthetic:tiny", image_size=(96, 64)),
        tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
        objective=CLS_REG_REID,
        weighting=hwf.Config(),
        train=Train(epochs=1, steps_per_epoch=2, batch_size=2, log_every=1, warmup_steps=1),
        points=tuple({"weighting.loss_weights.cls": 1 + i / 100} for i in range(trials)),
        execution=Execution(keep_checkpoints=keep),
    )


class Watch:
    """Takes a line of the table after every 25th trial."""

    def __init__(self, store: ResultStore) -> None:
        self.ended = 0
        self._store, self._start = store, time.monotonic()

    def __call__(self, event: Any) -> None:
        self.ended += isinstance(event, TrialEnded)
        if isinstance(event, TrialEnded) and (self.ended == 1 or self.ended % EVERY == 0):
            line = {"trials": self.ended, "seconds": time.monotonic() - self._start, **memory(), **files(self._store)}
            for name, read in (("read_trials_s", self._store.trials), ("read_ledger_s", self._store.ledger)):
                start = time.monotonic()
                read()
                line[name] = time.monotonic() - start
            show(line)


def memory() -> dict[str, float]:
    """Resident memory in MB: of this process, and of the dispatcher."""
    driver = psutil.Process()
    actors = [child for child in driver.children(recursive=True) if child.name().startswith("ray::Dispatcher")]
    return {
        "driver_mb": driver.memory_info().rss / 1e6,
        "dispatcher_mb": sum(actor.memory_info().rss for actor in actors) / 1e6,
    }


def files(store: ResultStore) -> dict[str, float]:
    """How many files there are, and how many of them are checkpoints; bytes in kB by kind."""
    table = pd.DataFrame([(file.path.split("/")[0], file.size) for file in store.folder.files()], columns=["kind", "b"])
    kind = table["kind"].replace(["trials", "steps", "epochs", "sequences"], "rows")
    kilobytes = (table["b"].groupby(kind).sum() / 1e3).reindex(["rows", "ledger", "logs", "checkpoints"], fill_value=0)
    counts = {"files": len(table), "checkpoints": int((kind == "checkpoints").sum())}
    return counts | {f"{name}_kb": size for name, size in kilobytes.items()}


def show(line: dict[str, float]) -> None:
    """Print a line, before the first the heading."""
    if line["trials"] == 1:
        print(" ".join(f"{name:>14}" for name in line))
    cells = (f"{value:,}" if isinstance(value, int) else f"{value:,.2f}" for value in line.values())
    print(" ".join(f"{cell:>14}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--keep", choices=("best", "all"), default="best")
    options = parser.parse_args()
    store = ResultStore(options.folder, "housekeeping")
    plan = make_plan(tiny_study(options.trials, options.keep), store, cache_dir=default_cache_dir())
    run_study(plan, store, Watch(store))


if __name__ == "__main__":
    main()
