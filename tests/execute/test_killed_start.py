"""A worker that dies before it is ready."""

import os

from tiny import open_study, tiny_study
from user_parts import dying

from study.config import Execution
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
