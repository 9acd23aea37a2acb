"""A study of sleeping trials, and what its processes take meanwhile."""

import json
import os
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from driver import Driver

from study.results import ResultStore

STUDY = "sleeping_trials"
SAMPLE_SECONDS = 2.0
MEMORY_EVERY = 5

KINDS = {
    "driver": "driver",
    "ray::Dispatcher": "dispatcher",
    "ray::Follower": "follower",
    "ray::ResourceTrainable": "follower",
    "ray::TrainController": "controller",
    "ray::RayTrainWorker": "worker",
    "ray::SynchronizationActor": "synchronizer",
    "ray::IDLE": "idle",
    "raylet": "raylet",
    "gcs_server": "gcs",
}


def measure(folder: Path, trials: int, slots: int, seconds: float, settings: list[str]) -> None:
    """Run the study and print what its processes took."""
    command, variables = command_and_variables(str(folder), trials, slots, seconds, settings)
    driver = Driver(command, variables)
    samples = Samples(folder / STUDY / "trials")
    while driver.wait(SAMPLE_SECONDS) is None:
        samples.take(driver)
    if driver.code != 0:
        raise SystemExit("\n".join(driver.errors[-20:]))
    table = samples.table()
    table.to_csv(folder / "samples.csv", index=False)
    took = driver.ended_at - driver.started_at
    print(f"{trials} trials, {slots} slots, {2 * seconds:g} s of sleep a trial, {took:.0f} s in all")
    print(by_kind(table, trials, slots).round(3).to_string())
    print(pd.Series(charged(ResultStore(folder, STUDY, create=False), 2 * seconds)).round(3).to_string())


def command_and_variables(
    results: str, trials: int, slots: int, seconds: float, settings: list[str]
) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of `python` for such a study; its Ray takes the machine to have a core a slot."""
    place = Path(__file__).parents[1]
    command = ["-m", "study.run", str(place / f"{STUDY}.py"), "--results", results]
    for setting in [f"tracker.step_seconds={seconds}", *settings]:
        command += ["--set", setting]
    variables = {
        "TRIALS": str(trials),
        "RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": slots}),
        "RAY_ADDRESS": "local",
        "PYTHONPATH": os.pathsep.join([str(place), str(place.parent), os.environ.get("PYTHONPATH", "")]),
    }
    return command, variables


class Samples:
    """Processor time and memory of a study's processes by kind, and how many trials have ended.

    Args:
        trials: folder that gets a file for each trial that ends.
    """

    def __init__(self, trials: Path) -> None:
        self._trials, self._start = trials, time.monotonic()
        self._spent: dict[psutil.Process, tuple[str, float]] = {}
        self._rows: list[dict[str, Any]] = []
        self._number = 0

    def take(self, driver: Driver) -> None:
        """Look once."""
        at, done = time.monotonic() - self._start, len(list(self._trials.glob("*.parquet")))
        weigh = self._number % MEMORY_EVERY == 0
        self._number += 1
        count: Counter[str] = Counter()
        memory: dict[str, float] = defaultdict(float)
        for process, name in driver.look().items():
            kind = next((kind for start, kind in KINDS.items() if name.startswith(start)), "other")
            try:
                times = process.cpu_times()
                if weigh:
                    memory[kind] += process.memory_full_info().pss / 1e6
            except psutil.Error:
                continue  # ended meanwhile
            kept = self._spent.get(process, (kind, 0.0))[0]
            # A process in stock is counted for what it becomes.
            self._spent[process] = (kind if kept in ("idle", "other") else kept, times.user + times.system)
            count[kind] += 1
        spent: dict[str, float] = defaultdict(float)
        for kind, seconds in self._spent.values():
            spent[kind] += seconds
        for kind in spent:
            row = {"seconds": at, "trials": done, "kind": kind, "processes": count[kind], "cpu_seconds": spent[kind]}
            self._rows.append(row | {"pss_mb": memory[kind] if weigh else None})

    def table(self) -> pd.DataFrame:
        """A row for each look and kind."""
        return pd.DataFrame(self._rows)


def by_kind(table: pd.DataFrame, trials: int, slots: int) -> pd.DataFrame:
    """Start-up and steady state of every kind; steady from when each slot has ended a trial to when jobs run out."""
    steady = table[(table["trials"] >= slots) & (table["trials"] <= trials - slots)]
    first, last = steady["seconds"].min(), steady["seconds"].max()
    begin, end = (table[table["seconds"] == at].set_index("kind") for at in (first, last))
    done = end["trials"].iloc[0] - begin["trials"].iloc[0]
    weighed = steady.dropna(subset="pss_mb")
    half = steady["trials"].median()
    after = {
        at: weighed[weighed["trials"] < half] if at == "early" else weighed[weighed["trials"] >= half]
        for at in ("early", "late")
    }
    mean = {at: part.groupby("kind")["pss_mb"].mean() for at, part in after.items()}
    reached = {at: part.groupby("kind")["trials"].mean() for at, part in after.items()}
    return pd.DataFrame(
        {
            "processes": end["processes"],
            "pss_mb": mean["late"],
            "pss_mb_each": mean["late"] / end["processes"],
            "kb_more_a_trial": (mean["late"] - mean["early"]) / (reached["late"] - reached["early"]) * 1e3,
            "cpu_s_until_steady": begin["cpu_seconds"],
            "cpu_s_a_trial": (end["cpu_seconds"] - begin["cpu_seconds"]) / done,
            "cores": (end["cpu_seconds"] - begin["cpu_seconds"]) / (last - first),
            "wall_s_a_trial_and_slot": (last - first) / done * slots,
        }
    )


def charged(store: ResultStore, sleep: float) -> dict[str, float]:
    """What the ledger charges a trial and a group, in device-seconds."""
    ledger = pd.DataFrame(store.ledger())
    attempts, idle = ledger[ledger["kind"] == "attempt"], ledger[ledger["kind"] == "idle"]
    parts = {name: attempts[f"{name}_seconds"].mean() for name in ("held", "startup", "train", "eval")}
    return {
        "attempts": len(attempts),
        **{f"{name}_a_trial": seconds for name, seconds in parts.items()},
        "other_a_trial": parts["held"] - parts["startup"] - parts["train"] - parts["eval"],
        "beside_sleep_a_trial": parts["held"] - sleep,
        "between_a_trial": idle["held_seconds"].sum() / len(attempts),
        "startup_a_group": ledger[ledger["kind"] == "startup"]["held_seconds"].mean(),
    }
