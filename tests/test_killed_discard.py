"""Whoever discards a trial is killed before every single change: nothing is charged twice or never, no row is half."""

import sys
from itertools import count
from pathlib import Path

from example_rows import make_entry, make_row, make_trial
from killed_writes import ends, run_script

from study.results import LAST, MODEL, ResultStore, cost

TRIAL = make_trial()
DEVICE_SECONDS = 2 * 2 * 50.0


def filled(folder: Path) -> ResultStore:
    store = ResultStore(folder, "example")
    store.write_rows("steps", TRIAL.trial_id, [{"epoch": 1, "step": 0, "task": "cls", "loss": 1.0}])
    for attempt in (1, 2):
        store.write_ledger(make_entry(TRIAL, attempt))
    for name in (LAST, MODEL):
        store.write_checkpoint(TRIAL.trial_id, name, b"state")
    store.write_trial(make_row(TRIAL, 0.5))
    return store


def suffer(folder: Path) -> None:
    for number in count(1):
        store = filled(folder / str(number))
        if ends(lambda _, store=store: store.discard(TRIAL.trial_id), folder / str(number), kill_before=number):
            break


def test_a_trial_is_discarded_or_finished_at_any_moment(tmp_path):
    run_script(__file__, tmp_path)
    numbers = sorted(int(path.name) for path in tmp_path.iterdir())
    assert numbers[-1] > 6
    for number in numbers:
        store = ResultStore(tmp_path / str(number), "example")
        assert cost(store.ledger())["device_seconds"] == DEVICE_SECONDS
        if number > 1:
            assert store.read_checkpoint(TRIAL.trial_id, LAST) is None  # nothing goes on from old code
        if store.trials():
            assert store.read_rows("steps", TRIAL.trial_id)
            assert store.read_checkpoint(TRIAL.trial_id, MODEL) == b"state"
        else:
            assert store.ledger(TRIAL.trial_id) == []
        store.discard(TRIAL.trial_id)
        assert cost(store.ledger())["device_seconds"] == DEVICE_SECONDS
        assert store.trials() == store.read_rows("steps", TRIAL.trial_id) == store.ledger(TRIAL.trial_id) == []
        assert not Path(store.folder.path, "checkpoints", TRIAL.trial_id).exists()


if __name__ == "__main__":
    suffer(Path(sys.argv[1]))
