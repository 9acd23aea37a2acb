"""A worker that dies before it is ready, or finds no data on its machine."""

import os
import shutil
import socket

import pytest
from tiny import open_study, tiny_study
from user_parts import dying, removing

from study.config import Data, Execution
from study.data.presets import ensure_drawn
from study.errors import UserError
from study.events import Note
from study.execute import run_study


def test_it_is_told_and_its_devices_are_free_for_the_next_one(tmp_path, cache_dir):
    died = tmp_path / "died"
    # The whole machine: with anything of it still reserved, the next worker would never start.
    execution = Execution(cpus_per_worker=os.cpu_count(), max_retries=1)
    study = tiny_study(weighting=dying.Config(once=str(died)), epochs=1, execution=execution)
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    events = []
    run_study(plan, store, events.append)
    assert died.exists()
    (told,) = [event.text for event in events if isinstance(event, Note)]
    assert told.startswith("a worker group did not start: a worker died: ")
    assert [row["status"] for row in store.trials()] == ["completed"]
    assert sorted(e["status"] for e in store.ledger() if e["kind"] == "startup") == ["completed", "lost"]


def test_data_that_a_machine_lacks_which_came_later_end_the_study_before_a_trial(tmp_path, cache_dir):
    drawn, folder = ensure_drawn("tiny", cache_dir), tmp_path / "mot"
    shutil.copytree(drawn, folder)
    train, val, *_ = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    data = Data(root=str(folder), train=(train,), val=(val,), image_size=(96, 64))
    study = tiny_study(weighting=removing.Config(folder=str(folder)), epochs=1).model_copy(update={"data": data})
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    with pytest.raises(UserError, match=f"{folder}: no such folder on {socket.gethostname()}; give one that all"):
        run_study(plan, store, lambda _: None)
    assert store.trials() == []
    assert {entry["kind"] for entry in store.ledger()} == {"startup"}
