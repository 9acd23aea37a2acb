"""What must hold of a study's results, however often its processes were killed."""

import math
from collections.abc import Sequence
from pathlib import Path

import optuna
import pandas as pd

from study.results import ResultStore, comparable, cost, load
from study.schema import ROW_KEYS, TABLES, Table
from study.search.storage import NAME, quiet

ROWS: tuple[Table, ...] = ("trials", "epochs", "steps", "sequences")


def failed_checks(store: ResultStore, reference: ResultStore, held: Sequence[tuple[float, float]]) -> list[str]:
    """What is wrong with results, in a line each.

    Args:
        store: results of a study that was disturbed.
        reference: results of the same study, undisturbed.
        held: of each run in order, when it began and the device-seconds that it was seen to hold.
    """
    found = []
    trials = load(store.folder.address)
    expected = load(reference.folder.address)
    if sorted(trials["trial_id"]) != sorted(expected["trial_id"]):
        found.append(f"{len(trials)} rows of trials, expected {len(expected)}, one for each of the same trials")
    if set(trials["status"]) != {"completed"}:
        found.append(f"trials are {trials['status'].value_counts().to_dict()}, expected completed")
    for table in TABLES:
        twice = load(store.folder.address, table).duplicated(list(ROW_KEYS[table])).sum()
        if twice:
            found.append(f"{table}: {twice} rows with the key of another")
    found += [
        f"{table}: rows differ from those of the undisturbed run in {columns}"
        for table in ROWS
        if (columns := _differing(store, reference, table))
    ]
    ledger = store.ledger()
    found += [f"ledger: {e['entry_id']} is still running" for e in ledger if e["status"] == "running"]
    for i, (begin, seconds) in enumerate(held):
        end = held[i + 1][0] if i + 1 < len(held) else math.inf
        charged = cost([e for e in ledger if begin <= e["started_at"].timestamp() < end])["device_seconds"]
        if charged < seconds:
            found.append(f"ledger: {charged:.1f} device-seconds charged for run {i + 1}, {seconds:.1f} were held")
    paths = [Path(one.folder.path, NAME) for one in (store, reference)]
    if paths[1].exists():
        found += _wrong_suggestions(paths[0], trials)
    return found


def _differing(store: ResultStore, reference: ResultStore, table: Table) -> str:
    """Columns in which rows differ, or how else they do; nothing if they do not."""
    keys = list(ROW_KEYS[table])
    mine, theirs = (
        comparable(load(s.folder.address, table)).sort_values(keys, ignore_index=True) for s in (store, reference)
    )
    try:
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
    except AssertionError:
        if len(mine) != len(theirs):
            return f"their number: {len(mine)}, not {len(theirs)}"
        shared = [name for name in mine if name in theirs and not mine[name].equals(theirs[name])]
        return ", ".join(shared or ["the columns they have"])
    return ""


def _wrong_suggestions(path: Path, trials: pd.DataFrame) -> list[str]:
    """What is wrong with the Optuna storage of a search."""
    if not path.exists():
        return [f"optuna: there is no {path.name}"]
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    with quiet():
        (name,) = optuna.get_all_study_names(storage)
        asked = optuna.load_study(study_name=name, storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    found = [f"optuna: trial {t.number} is still {t.state.name}" for t in asked if not t.state.is_finished()]
    complete = [t.user_attrs["trial_id"] for t in asked if t.state == optuna.trial.TrialState.COMPLETE]
    searched = trials.loc[trials["seed"] == trials["seed"].min(), "trial_id"]
    if sorted(complete) != sorted(searched):
        found.append(f"optuna: {len(complete)} trials complete, expected {len(searched)}, each configuration once")
    return found
