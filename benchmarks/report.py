"""`python benchmarks/report.py DIR`: time and memory of a report on 1,000 trials with 10 million loss weights.

DIR gets a generated study: random searches of hard weights and eight learned methods, 1,000 trials of 3,334 sampled
steps and three tasks, eight epochs and sixteen test sequences each, one file a trial and table as a study writes them.
Figures are drawn at random about plausible means: what is measured is the report, not the trackers.
Target: at most 30 s and 2 GB on two cores.
"""

import argparse
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from study.config import Study, trial_id
from study.events import Trial
from study.results import ResultStore, trial_row
from study.rows import flatten
from study.schema import SCHEMAS
from study.studies import load_study
from study.weighting import dwa, equal, famo, gradnorm, hwf, imtl_l, lwf, pcgrad, uncertainty

DATA_HASH = "0123456789abcdef"
STEPS = 3334
TASKS = ("cls", "reg", "reid")
SEQUENCES = 16
LEARNED = (equal, lwf, uncertainty, gradnorm, famo, dwa, pcgrad, imtl_l)
SEEDS = 5
SEARCHED = 192
MOST_SECONDS, MOST_BYTES = 30.0, 2 * 10**9


def make_trials() -> list[Trial]:
    """40 trials of learned methods, and 192 hard weightings under five seeds."""
    draws = np.random.default_rng(0)
    hard = [dict(zip(TASKS, 10 ** draws.uniform(-1, 1, 3), strict=True)) for _ in range(SEARCHED)]
    weightings = [module.Config() for module in LEARNED] + [hwf.Config(loss_weights=weights) for weights in hard]
    base = load_study("head_to_head").model_dump() | {"points": tuple({"weighting": config} for config in weightings)}
    trials: list[Trial] = []
    for configuration in Study(**base).configurations():
        name = configuration.configuration_id
        trials += [
            Trial(trial_id(name, seed, DATA_HASH), name, configuration, seed, len(trials)) for seed in range(SEEDS)
        ]
    return trials


def generate(folder: Path) -> int:
    """Write the study; returns how many loss weights it has."""
    store, draws = ResultStore(folder, "generated"), np.random.default_rng(1)
    trials = make_trials()
    varying = sorted({key for trial in trials for key in flatten(trial.configuration.resolved())})
    varying = [key for key in varying if key.startswith("weighting.")]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    weights = 0
    for number, trial in enumerate(trials):
        settings = flatten(trial.configuration.resolved())
        ratios = [np.log10(settings.get(f"weighting.loss_weights.{task}") or 1.0) for task in TASKS]
        mota = float(0.55 - 0.08 * np.var(ratios) + 0.02 * draws.normal())
        names = [f"street-{i:02}" for i in range(SEQUENCES)]
        sequences = pd.DataFrame({"sequence": names, "epoch": 8, "split": "test"})
        errors = np.clip(200 * (1 - mota + 0.05 * draws.normal(size=SEQUENCES)), 1, None).round()
        sequences = sequences.assign(num_frames=25, fn=errors, fp=0, idsw=0, mota=1 - errors / 200, idr=mota, idf1=mota)
        test = {"test_mota": float(sequences["mota"].mean()), "test_idf1": mota + 0.1, "test_hota": mota - 0.05}
        entry = {
            **{"entry_id": f"{trial.trial_id}-1", "trial_id": trial.trial_id, "attempt": 1, "group_id": "group"},
            **{"kind": "attempt", "devices": 1.0, "started_at": begin + timedelta(seconds=80 * number)},
            **{"held_seconds": 80.0, "startup_seconds": 1.0, "train_seconds": 70.0, "eval_seconds": 8.0},
            "status": "completed",
        }
        store.write_ledger(entry)
        figures = {"val_mota": mota, "val_idf1": mota + 0.1, "val_hota": mota - 0.05} | test
        row = trial_row(
            trial, data_hash=DATA_HASH, varying=varying, status="completed", ledger=[entry], provenance={}, workers=1,
            devices_per_worker=1.0, epochs=8, metrics=figures, weighting_status="healthy",
            predicted_device_seconds=78.0,
        )  # fmt: skip
        store.write_trial(row | {"ended_at": begin + timedelta(seconds=80 * (number + 1))})
        store.write_rows("sequences", trial.trial_id, sequences.to_dict("records"))
        epochs = [
            {"epoch": epoch, "split": "train", "task": task, "loss": 1 / epoch, "loss_weight": 1.0}
            for epoch in range(1, 9)
            for task in TASKS
        ]
        store.write_rows("epochs", trial.trial_id, epochs)
        weights += write_steps(folder / "generated" / "steps" / f"{trial.trial_id}.parquet", trial.trial_id, draws)
    return weights


def write_steps(path: Path, name: str, draws: np.random.Generator) -> int:
    """Write a trial's rows of `steps`; returns how many."""
    rows = STEPS * len(TASKS)
    walk = np.exp(np.cumsum(0.01 * draws.normal(size=(STEPS, len(TASKS))), axis=0))
    given = {
        **{"study": ["generated"] * rows, "trial_id": [name] * rows, "task": list(TASKS) * STEPS},
        **{"step": np.repeat(np.arange(STEPS), len(TASKS)), "epoch": np.repeat(np.arange(STEPS) * 8 // STEPS + 1, 3)},
        **{"loss": draws.uniform(0.1, 1, rows), "loss_weight": walk.ravel()},
    }
    schema = SCHEMAS["steps"]
    columns = [pa.array(given[f.name], f.type) if f.name in given else pa.nulls(rows, f.type) for f in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the generated study, kept for the next time, and the page")
    options = parser.parse_args()
    if not (options.folder / "generated").exists():
        print(f"{generate(options.folder):,} loss weights written", flush=True)
    size = sum(path.stat().st_size for path in options.folder.rglob("*.parquet"))
    start = time.monotonic()
    command = [sys.executable, "-m", "analysis.report", str(options.folder), "-o", str(options.folder / "report.html")]
    subprocess.run(command, check=True)
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{size / 1e6:,.0f} MB of Parquet: {seconds:.1f} s (at most {MOST_SECONDS:.0f}), ", end="")
    print(f"{peak / 1e9:.2f} GB (at most {MOST_BYTES / 1e9:.0f})")
    return 0 if seconds <= MOST_SECONDS and peak <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
