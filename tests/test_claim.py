"""One driver a study: real processes, a real lock, and the word of those that other machines cannot see."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from filelock import FileLock
from s3_server import serve

from study.claim import FRESH_SECONDS, LOCK, NAME, claimed, is_running, read_claim
from study.errors import UserError
from study.results import ResultStore

DRIVER = """
import sys
from study.claim import claimed
from study.results import ResultStore
with claimed(ResultStore(sys.argv[1], "example")) as claim:
    claim.tell({"total": 9}, lambda: {"eta": "5m00s"})
    print("claimed", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_driver(results):
    """A second process that runs the study until its input ends."""
    command = [sys.executable, "-c", DRIVER, str(results)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path, "example")


def write_word(store, **word):
    standard = {"running": True, "beat_at": time.time(), "hostname": "elsewhere", "pid": 123}
    store.folder.write(NAME, json.dumps(standard | word).encode())


def test_a_study_has_one_driver_who_leaves_word_of_itself(store):
    assert not is_running(store)
    with another_driver(store.folder.path.rpartition("/")[0]) as process:
        assert is_running(store)
        with pytest.raises(UserError) as caught, claimed(store):
            pass
        told = f"{store.folder}: process {process.pid} on {socket.gethostname()} runs this study (it left word "
        assert str(caught.value).startswith(told)
        assert str(caught.value).endswith("wait for it or end it, or give another --results folder")
        word = read_claim(store)
        assert (word["total"], word["now"], word["running"]) == (9, {"eta": "5m00s"}, True)
        process.stdin.close()
        assert process.wait(20) == 0
    assert not is_running(store)
    assert read_claim(store)["running"] is False
    with claimed(store):
        assert is_running(store)


def test_what_the_driver_before_told_stands_until_the_next_one_knows_better(store):
    with claimed(store) as claim:
        claim.tell({"total": 9}, lambda: {"eta": "5m00s"})
        assert read_claim(store)["now"] == {"eta": "5m00s"}
    with claimed(store) as claim:
        assert (read_claim(store)["total"], read_claim(store)["now"]) == (9, {})
        claim.tell({"total": 12}, dict)
        assert read_claim(store)["total"] == 12


def test_a_killed_driver_is_followed_by_the_next_at_once(store):
    with another_driver(store.folder.path.rpartition("/")[0]) as process:
        process.kill()
        process.wait()
    assert read_claim(store)["running"] is True
    assert not is_running(store)
    with claimed(store):
        assert read_claim(store)["pid"] == os.getpid()


def test_a_look_at_the_state_does_not_keep_a_driver_from_beginning(store):
    lock = FileLock(store.local_folder() / LOCK, thread_local=False)
    lock.acquire()
    release = threading.Timer(0.2, lock.release)
    release.start()
    with claimed(store):
        assert is_running(store)
    release.join()


def test_a_lock_that_may_not_be_opened_leaves_the_word(store):
    (store.local_folder() / LOCK).mkdir()
    here = {"hostname": socket.gethostname(), "pid": os.getpid()}
    write_word(store, **here)
    assert is_running(store)
    write_word(store, **here, beat_at=time.time() - FRESH_SECONDS - 1)
    assert not is_running(store)
    with pytest.raises(UserError, match=rf"cannot write .*{LOCK}: .*; choose another --results folder"), claimed(store):
        pass


def test_a_driver_of_another_machine_counts_while_its_word_is_fresh(store):
    write_word(store)
    assert is_running(store)
    with (
        pytest.raises(UserError, match=r"process 123 on elsewhere runs this study \(it left word 0 s ago\)"),
        claimed(store),
    ):
        pass
    assert read_claim(store)["hostname"] == "elsewhere"
    write_word(store, beat_at=time.time() - FRESH_SECONDS - 1)
    assert not is_running(store)
    with claimed(store):
        assert read_claim(store)["hostname"] == socket.gethostname()


@pytest.mark.parametrize("changes", [{"running": False}, {"hostname": socket.gethostname(), "pid": 1}])
def test_whose_word_does_not_count(changes, store):
    write_word(store, **changes)
    assert not is_running(store)
    with claimed(store):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b"null", b"{}", b'{"running": true}'])
def test_a_word_that_cannot_be_read_is_none(content, store):
    store.folder.write(NAME, content)
    assert not is_running(store)
    with claimed(store):
        assert read_claim(store)["pid"] == os.getpid()


def test_the_claim_ends_with_an_error_too(store):
    with pytest.raises(ZeroDivisionError), claimed(store):
        1 / 0  # noqa: B018
    assert read_claim(store)["running"] is False
    assert not is_running(store)


def test_in_an_object_store_the_word_counts_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serve("bucket") as address:
        store = ResultStore(address, "example")
        with claimed(store), pytest.raises(UserError, match="runs this study"), claimed(store):
            pass
        write_word(store)
        assert is_running(store)
        write_word(store, hostname=socket.gethostname(), pid=1)  # lives as long as the machine
        assert is_running(store)
        with pytest.raises(UserError, match="process 1 on"), claimed(store):
            pass
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            ended.wait()
        write_word(store, hostname=socket.gethostname(), pid=ended.pid)
        assert not is_running(store)


def test_looking_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = ResultStore(tmp_path / "there", "example")
    (tmp_path / "there" / "example" / NAME).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    assert not is_running(store)
    assert sorted(tmp_path.rglob("*")) == before
    with serve("bucket") as address:
        assert not is_running(ResultStore(address, "example", create=False))
    assert sorted(tmp_path.rglob("*")) == before
