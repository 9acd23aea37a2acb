"""A search is killed before every single change to its results and its Optuna storage: it goes on as if unharmed."""

import sys
from itertools import count
from pathlib import Path

import optuna
import pytest
from example_rows import DATA_HASH, make_row
from killed_writes import ends, run_script
from optuna.trial import TrialState
from searches import mota, search_study
from sqlalchemy import event
from sqlalchemy.engine import Engine

from study.results import ResultStore
from study.search.proposers import make_proposer
from study.search.storage import NAME

STARTS = tuple({"weighting.loss_weights": {"cls": weight, "reg": 1.0, "reid": 1.0}} for weight in (1.0,))
SEARCHED = 2


def search(folder: Path, sampler: str) -> None:
    """Run a search to its end, one trial at a time."""
    study = search_study(SEARCHED, sampler=sampler, start=STARTS, seeds=(0, 1))
    store = ResultStore(folder, study.name)
    proposer = make_proposer(study, DATA_HASH, (), store, note=lambda _: None)
    while (trial := proposer.next()) is not None:
        row = make_row(trial, mota(trial), provenance={})
        store.write_trial(row)
        proposer.tell(trial, "completed", row)
    proposer.close()


def suffer(folder: Path, sampler: str) -> None:
    """Kill, and run again, for one change after the other; the last one is not killed."""
    # Waiting for the disk would take most of the time, and matters to power cuts only.
    event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    search(folder / "before", sampler)  # so that not every fork imports and compiles the same
    for number in count(1):
        place = folder / str(number)

        def disturbed(change, place=place):
            event.listen(Engine, "commit", lambda _: change())
            search(place, sampler)

        if ends(disturbed, place, kill_before=number):
            break
        ends(lambda _, place=place: search(place, sampler), place, kill_before=0)


def told(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'example' / NAME}")
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    storage.engine.dispose()
    return trials


@pytest.mark.parametrize("sampler", ["random"])
def test_the_same_configurations_are_tried_each_once(sampler, tmp_path):
    run_script(__file__, tmp_path, sampler)
    numbers = sorted(int(path.name) for path in tmp_path.iterdir() if path.name.isdecimal())
    assert numbers[-1] > 30
    for number in reversed(numbers):
        rows = ResultStore(tmp_path / str(number), "example").trials()
        by_seed = {seed: [row["trial_id"] for row in rows if row["seed"] == seed] for seed in (0, 1)}
        asked = told(tmp_path / str(number))
        complete = [trial.user_attrs["trial_id"] for trial in asked if trial.state == TrialState.COMPLETE]
        if number == numbers[-1]:
            undisturbed = by_seed
            assert [len(trial_ids) for trial_ids in by_seed.values()] == [SEARCHED, 1]
        assert by_seed == undisturbed, f"killed before change {number}"
        assert sorted(complete) == by_seed[0], f"killed before change {number}"
        assert all(trial.state.is_finished() for trial in asked), f"killed before change {number}"
        assert not list(tmp_path.glob(f"{number}/example/*damaged*")), f"killed before change {number}"


if __name__ == "__main__":
    suffer(Path(sys.argv[1]), sys.argv[2])
