"""What reading the results of many trials takes, and what they take on the disk."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sleeping.running import STUDY
from study.results import ResultStore, load
from study.schema import TABLES


def measure(folder: Path) -> None:
    """Print both."""
    store = ResultStore(folder, STUDY, create=False)
    trials = len(store.trials())
    print(on_disk(store, trials).round(1).to_string())
    study = str(Path(__file__).parents[1] / f"{STUDY}.py")
    commands = {
        "study.run --dry-run": ["-m", "study.run", study, "--results", str(folder), "--dry-run"],
        "study.run status": ["-m", "study.run", "status", STUDY, "--results", str(folder)],
        "study.run gc --dry-run": ["-m", "study.run", "gc", STUDY, "--results", str(folder), "--dry-run"],
    }
    reads: dict[str, Callable[[], Any]] = {
        "ResultStore.trials": store.trials,
        "ResultStore.ledger": store.ledger,
        "names in ledger": lambda: (store.folder / "ledger").names(".parquet"),
        **{f"load {table}": partial(load, store.folder.address, table) for table in TABLES},
    }
    for what, read in reads.items():
        print(what, {name: round(value, 2) for name, value in timed(read).items()}, flush=True)
    for what, command in commands.items():
        print(what, {name: round(value, 2) for name, value in commanded(command, trials).items()}, flush=True)


def on_disk(store: ResultStore, trials: int) -> pd.DataFrame:
    """Files, bytes and rows a trial."""
    files = pd.DataFrame([(file.path.split("/")[0], file.size) for file in store.folder.files()], columns=["kind", "b"])
    table = files.groupby("kind")["b"].agg(files="size", kb=lambda sizes: sizes.sum() / 1e3)
    rows = {name: len(load(store.folder.address, name)) for name in TABLES}
    table["rows"] = pd.Series(rows)
    each = table[["files", "kb", "rows"]] / trials
    return table.join(each.rename(columns=lambda name: f"{name}_a_trial"))


def commanded(command: list[str], trials: int) -> dict[str, float]:
    """Wall and processor seconds of a command."""
    start = time.monotonic()
    variables = {"TRIALS": str(trials), "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    process = subprocess.Popen([sys.executable, *command], env=os.environ | variables, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return {
        "wall_s": time.monotonic() - start,
        "cpu_s": used.ru_utime + used.ru_stime,
    }


def timed(read: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor seconds of a call."""
    start, spent = time.monotonic(), time.process_time()
    read()
    return {"wall_s": time.monotonic() - start, "cpu_s": time.process_time() - spent}
