"""Ledger entries whose holders were killed."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from study.execute.holding import BEAT_SECONDS, Holding, close_running
from study.results import ResultStore

ENTRY = {"group_id": "g", "devices": 1.0, "startup_seconds": 0.0, "train_seconds": 0.0, "eval_seconds": 0.0}


def entry(name, status, held, *, ago, kind="idle", trial_id=None):
    started = datetime.now(UTC) - timedelta(seconds=ago)
    return ENTRY | {
        "entry_id": name,
        "trial_id": trial_id,
        "kind": kind,
        "started_at": started,
        "held_seconds": held,
        "status": status,
    }


def test_entries_of_killed_holders_are_charged_to_the_latest_that_they_can_have_lived(tmp_path):
    store = ResultStore(tmp_path, "tiny")
    for before in (
        entry("long-gone", "running", 30.0, ago=100),
        entry("just-now", "running", 1.0, ago=2),
        entry("paused", "paused", 7.0, ago=100),
        entry("over", "completed", 5.0, ago=100),
        entry("t-1", "running", 30.0, ago=100, kind="attempt", trial_id="t"),
    ):
        store.write_ledger(before)
    close_running(store, "timeout", "t-1", held_seconds=100.0)
    close_running(store, "lost")
    after = {entry["entry_id"]: (entry["status"], entry["held_seconds"]) for entry in store.ledger()}
    status, held = after.pop("just-now")
    assert status == "lost"
    assert 2 <= held <= 1 + BEAT_SECONDS
    assert after == {
        "long-gone": ("lost", 30 + BEAT_SECONDS),
        "paused": ("lost", 7),
        "over": ("completed", 5),
        "t-1": ("timeout", 100),
    }


@pytest.mark.parametrize(("offset", "least", "most"), [(-3600, 0.3, 60), (3600, 0, 60), (0.2, 0.1, 60)])
def test_a_clock_that_is_wrong_charges_no_second_that_was_not_held(tmp_path, offset, least, most):
    store = ResultStore(tmp_path, "tiny")
    began = time.time()
    holding = Holding(store, "e", kind="startup", devices=1.0, group_id="g")
    time.sleep(0.3)
    holding.end("completed", started=began + offset)
    (written,) = store.ledger()
    assert least <= written["held_seconds"] <= most
    assert began - 1 < written["started_at"].timestamp() < began + 60


def test_a_clock_that_was_set_back_takes_nothing_away(tmp_path):
    store = ResultStore(tmp_path, "tiny")
    store.write_ledger(entry("e", "running", 30.0, ago=-3600))
    close_running(store, "lost")
    assert store.ledger()[0]["held_seconds"] == 30.0


def test_waiting_for_a_machine_is_not_charged(tmp_path):
    store = ResultStore(tmp_path, "tiny")
    holding = Holding(store, "e", kind="startup", devices=1.0, group_id="g")
    holding.pause()
    time.sleep(0.5)
    waiting = store.ledger()[0]
    assert (waiting["status"], waiting["held_seconds"] < 0.5) == ("paused", True)
    holding.end("completed", started=waiting["started_at"].timestamp() + 0.4)
    (ended,) = store.ledger()
    assert ended["status"] == "completed"
    assert ended["held_seconds"] > 0.05
    assert ended["started_at"] > waiting["started_at"]


def test_what_waited_in_vain_is_not_charged(tmp_path):
    store = ResultStore(tmp_path, "tiny")
    holding = Holding(store, "e", kind="startup", devices=1.0, group_id="g")
    holding.pause()
    paused = store.ledger()[0]["held_seconds"]
    time.sleep(0.3)
    holding.end("lost")
    assert (store.ledger()[0]["status"], store.ledger()[0]["held_seconds"]) == ("lost", paused)
