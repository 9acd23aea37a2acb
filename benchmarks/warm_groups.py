"""Share of held device-seconds that twenty one-minute trials spend training or evaluating, and memory meanwhile.

    python benchmarks/warm_groups.py FOLDER

Runs the same twenty trials (seeds 0 to 19 of one configuration) twice: over warm worker groups, and with a Ray Train
group started for every trial. FOLDER gets the results of both, and the memory of the node as memory.csv: every ten
seconds, trials finished and proportional set size of the driver, Ray and the workers together.
"""

import argparse
import csv
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from search_spaces.hwf_grid import STUDY
from study.config import Execution, Study
from study.data import default_cache_dir
from study.events import TrialEnded
from study.execute import run_study
from study.plan import make_plan
from study.results import ResultStore

TRIALS = 20
SAMPLE_SECONDS = 10.0


def shortened(name: str, steps: int, *, warm_groups: bool) -> Study:
    """`hwf_grid` with one configuration, twenty seeds and one validation a trial."""
    return STUDY.model_copy(
        update={
            "name": name,
            "points": ({},),
            "seeds": tuple(range(TRIALS)),
            "train": STUDY.train.model_copy(update={"epochs": 2, "steps_per_epoch": steps, "validate_every": 2}),
            "execution": Execution(warm_groups=warm_groups),
        }
    )


class Memory:
    """Samples the memory of this process and all its descendants until stopped."""

    def __init__(self, path: Path, name: str) -> None:
        self.finished = 0
        self._path, self._name, self._stop = path, name, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def __call__(self, event: Any) -> None:
        self.finished += isinstance(event, TrialEnded)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        start = time.monotonic()
        while not self._stop.wait(SAMPLE_SECONDS):
            total = processes = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                    processes += 1
                except psutil.Error:
                    continue  # ended meanwhile
            with self._path.open("a", newline="") as file:
                row = [self._name, round(time.monotonic() - start), self.finished, processes, round(total / 1e6)]
                csv.writer(file).writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=700, help="steps an epoch, two epochs; 700 take a minute")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "memory.csv"
    path.write_text("groups,seconds,trials_finished,processes,pss_mb\n")
    shares = []
    for name, warm_groups in (("warm", True), ("fresh", False)):
        study = shortened(name, options.steps, warm_groups=warm_groups)
        store = ResultStore(options.folder, name)
        plan = make_plan(study, store, cache_dir=default_cache_dir())
        memory, start = Memory(path, name), time.monotonic()
        try:
            run_study(plan, store, memory)
        finally:
            memory.stop()
        shares.append({"groups": name, "wall_seconds": time.monotonic() - start, **spent(store)})
    print(pd.DataFrame(shares).round(3).to_string(index=False))


def spent(store: ResultStore) -> dict[str, float]:
    """Device-seconds of a study by what they went to, and the useful share."""
    ledger = pd.DataFrame(store.ledger())
    held = (ledger["held_seconds"] * ledger["devices"]).sum()
    useful = {part: (ledger[f"{part}_seconds"] * ledger["devices"]).sum() for part in ("train", "eval")}
    trials = pd.DataFrame(store.trials())
    assert list(trials["status"]) == ["completed"] * TRIALS
    return {"trials": len(trials), "held": held, **useful, "useful": sum(useful.values()) / held}


if __name__ == "__main__":
    main()
