"""An attempt is killed before every single change that it makes to the results: what remains goes on as if unharmed."""

import sys
from itertools import count
from pathlib import Path

import pandas as pd
import torch
from killed_writes import ends, run_script
from tiny import open_study, rows, tiny_study

from study.execute.attempt import run_attempt
from study.execute.attempts import Attempts
from study.execute.holding import close_running
from study.results import load
from study.schema import ROW_KEYS, TABLES

STUDY = tiny_study(epochs=2, steps=2)


def suffer(folder: Path, cache: Path) -> None:
    """Kill, and run again, for one change after the other; the last one is not killed."""
    torch.set_num_threads(1)
    for number in count(1):
        plan, store = open_study(STUDY, folder / str(number), cache)
        (trial,) = plan.trials

        def attempt(_change, trial=trial, plan=plan, store=store):
            attempt = Attempts(store).next(trial.trial_id)
            run_attempt(trial, plan, store, attempt=attempt, device=torch.device("cpu"))

        if ends(attempt, folder / str(number), kill_before=number):
            break
        ends(attempt, folder / str(number), kill_before=0)


def test_whatever_was_written_last_rows_appear_once_and_are_the_same(tmp_path, cache_dir):
    run_script(__file__, tmp_path, cache_dir)
    numbers = sorted(int(path.name) for path in tmp_path.iterdir())
    assert numbers[-1] > 15
    plan, undisturbed = open_study(STUDY, tmp_path / str(numbers[-1]), cache_dir)
    (trial,) = plan.trials
    expected = rows(undisturbed, trial.trial_id)
    for number in numbers[:-1]:
        _, store = open_study(STUDY, tmp_path / str(number), cache_dir)
        found = rows(store, trial.trial_id)
        for table, frame in expected.items():
            pd.testing.assert_frame_equal(found[table], frame, obj=f"{table}, killed before change {number}")
        close_running(store, "lost")
        for table in TABLES:
            assert not load(tmp_path / str(number), table).duplicated(list(ROW_KEYS[table])).any()
        ledger = store.ledger()
        assert ledger[-1]["status"] == "completed"
        assert {entry["status"] for entry in ledger} <= {"lost", "completed"}


if __name__ == "__main__":
    suffer(*map(Path, sys.argv[1:]))
