"""What `benchmarks/chaos/kills.py` does at length: parts of a running study are killed, and nothing comes of it."""

import signal
import time
from contextlib import suppress

import psutil
import pytest
import torch
from chaos_short import STUDY
from checks import failed_checks
from driver import HELPERS, Driver
from observer import Observer

from study.execute.attempt import run_attempt
from study.plan import make_plan
from study.results import ResultStore
from study.search.proposers import make_proposer


@pytest.fixture
def undisturbed(tmp_path):
    store = ResultStore(tmp_path / "undisturbed", STUDY.name)
    plan = make_plan(STUDY, store, cache_dir=tmp_path / "cache")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    proposer = make_proposer(STUDY, plan.splits.data_hash, plan.missing, store, note=lambda _: None)
    while (trial := proposer.next()) is not None:
        row = run_attempt(trial, plan, store, attempt=1, device=torch.device("cpu"))
        proposer.tell(trial, row["status"], row)
    proposer.close()
    torch.set_num_threads(threads)
    return store


@pytest.fixture
def observer():
    observer = Observer()
    yield observer
    observer.stop()


@pytest.fixture
def drive(tmp_path, observer):
    """Starts the study, or goes on with it; what still runs when the test ends is killed."""
    drivers = []

    def start():
        command = ["-m", "study.run", f"{__file__.rpartition('/')[0]}/chaos_short.py", "--results", str(tmp_path)]
        drivers.append(Driver(command, {"LOSS_WEIGHTING_CACHE": str(tmp_path / "cache")}))
        observer.watch(drivers[-1])
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()


def kill(driver, victim, before=()):
    """Kill a process of this kind that is none of those from before, as soon as there is one."""
    while True:
        for process in driver.find(victim):
            if process not in before:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    return process
        assert driver.code is None, driver.errors
        time.sleep(0.05)


def wait_for_epochs(driver, number):
    """Until so many more epochs have been told."""
    before = len(driver.epochs)
    while len(driver.epochs) < before + number:
        assert driver.code is None, driver.errors
        time.sleep(0.05)


@pytest.mark.timeout(900)  # three runs with Ray's start, which takes half a minute beside other tests
def test_kills_and_an_interruption_leave_no_trace_in_the_rows(tmp_path, undisturbed, observer, drive):
    store = ResultStore(tmp_path, STUDY.name)
    first = drive()
    wait_for_epochs(first, 2)
    kill(first, "worker")
    actors = []
    for _ in range(5):  # more often than a search would forgive an error
        actors.append(kill(first, "trial actor", actors))
    wait_for_epochs(first, 1)
    kill(first, "driver")
    assert first.wait(10) < 0

    second = drive()
    wait_for_epochs(second, 2)
    second.process.send_signal(signal.SIGINT)
    assert second.wait(60) == 130
    assert second.errors == [
        "interrupted: finished trials and the checkpoints of unfinished ones are kept; "
        "the same command goes on from there"
    ]
    assert second.left(10) == []
    assert "running" not in {entry["status"] for entry in store.ledger()}
    assert {row["status"] for row in store.trials()} <= {"completed", "interrupted"}
    reached = {row["trial_id"]: row["epochs"] for row in store.trials()}

    third = drive()
    assert third.wait(400) == 0, third.errors
    assert third.errors == []
    assert failed_checks(store, undisturbed, observer.held()) == []
    # No epoch is computed twice but the one whose checkpoint was not written.
    epochs = sum(STUDY.train.epochs - reached.get(row["trial_id"], 0) for row in store.trials())
    assert epochs <= len(third.epochs) <= epochs + len(reached)
    assert sum(row["attempts"] for row in store.trials()) > len(store.trials()) + 1
    assert first.left(40, but=HELPERS) == third.left(10) == []
