"""Results in an object store that goes away, is slow, or refuses."""

import os
import threading
import time

import pytest
from s3_server import running

from study import object_store
from study.errors import UserError
from study.files import open_folder
from study.results import ResultStore
from study.run import main

BUSY = ("503 Slow Down", "SlowDown")


@pytest.fixture
def server():
    with running("bucket") as server:
        yield server


def refusing(times, answer, method="PUT"):
    """Refuse so many requests of a method."""
    left = [times]

    def refuse(asked, path):
        del path
        if asked != method or not left[0]:
            return None
        left[0] -= 1
        return answer

    return refuse


def test_a_store_that_is_away_for_20_seconds_is_waited_for(server):
    folder = open_folder(server.uri) / "some"
    folder.write("before", b"1")
    server.stop()
    back = threading.Timer(20, server.start)
    began = time.monotonic()
    back.start()
    folder.write("meanwhile", b"2")
    assert time.monotonic() - began >= 20
    back.join()
    assert folder.names("") == ["before", "meanwhile"]
    assert [folder.read(name) for name in ("before", "meanwhile", "none")] == [b"1", b"2", None]


def test_a_store_that_takes_its_time_is_not_given_up(server):
    folder = open_folder(server.uri) / "some"
    server.delay = 4.0  # the SDK by itself takes three seconds without a byte for a broken connection
    folder.write("slow", b"1")
    server.delay = 0.0
    assert folder.read("slow") == b"1"


@pytest.mark.parametrize(
    "answer", [BUSY, ("500 Internal Server Error", "InternalError"), ("503 Gone", "ServiceUnavailable")]
)
def test_passing_errors_are_asked_again(server, answer):
    folder = open_folder(server.uri) / "some"
    server.refuse = refusing(5, answer)  # more often than the SDK asks by itself
    folder.write("one", b"1")
    assert folder.names("") == ["one"]
    server.refuse = refusing(5, answer, "GET")
    assert folder.names("") == ["one"]


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_missing_rights_are_told_at_once(server, code):
    folder = open_folder(server.uri) / "some"
    server.refuse = refusing(100, ("403 Forbidden", code))
    began = time.monotonic()
    with pytest.raises(UserError, match=r"cannot write s3://bucket/some/one: .*; what was written before is kept"):
        folder.write("one", b"1")
    assert time.monotonic() - began < 3


def test_a_store_that_stays_away_is_given_up_with_what_it_said(server, monkeypatch):
    monkeypatch.setattr(object_store, "PATIENCE_SECONDS", 3.0)
    folder = open_folder(server.uri) / "some"
    server.refuse = refusing(1000, BUSY)
    with pytest.raises(UserError, match=r"cannot write s3://bucket/some/one: .*SLOW_DOWN.*; what was written before"):
        folder.write("one", b"1")
    server.refuse = None
    assert folder.names("") == []


def test_entries_of_a_ledger_are_waited_for_together_and_come_in_order(server):
    store = ResultStore(server.uri, "some")
    for number in range(6):
        store.write_ledger({"entry_id": f"e{number}", "kind": "idle", "devices": 1.0, "status": "completed"})
    three = threading.Barrier(3, timeout=30)
    met = []

    def refuse(method, path):
        if method == "GET" and path.endswith(".parquet"):
            met.append(three.wait())  # breaks if only one or two are asked for at a time

    server.refuse = refuse
    assert [entry["entry_id"] for entry in store.ledger()] == [f"e{number}" for number in range(6)]
    assert sorted(met) == [0, 0, 1, 1, 2, 2]


def test_addresses_that_cannot_be_used_are_told_when_they_are_opened(server):
    elsewhere = server.uri.replace("@bucket", "@none")
    with pytest.raises(UserError, match=r"^s3://none: no such bucket 'none'; make it, or give another address$"):
        open_folder(elsewhere)
    with pytest.raises(UserError, match=r"^s3://bucket: expected s3://BUCKET/FOLDER"):
        open_folder(f"{server.uri}&endpoint_overide=typo")
    server.refuse = refusing(100, ("403 Forbidden", "AccessDenied"), "HEAD")
    with pytest.raises(UserError, match=r"^s3://bucket: cannot be used \(.*ACCESS_DENIED.*credentials"):
        open_folder(server.uri)
    server.stop()
    with pytest.raises(UserError, match=r"^s3://bucket: cannot be used \(.*NETWORK_CONNECTION.*network$") as told:
        open_folder(server.uri)
    server.start()
    assert "secret" not in str(told.value)


STUDY = """
from example_rows import make_study
STUDY = make_study(name="mine")
"""


@pytest.mark.parametrize("option", ["--results", "--data"])
@pytest.mark.parametrize("fault", ["no bucket", "wrong key", "away"])
def test_a_study_does_not_begin_where_a_store_cannot_be_used(fault, option, server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STUDY)
    monkeypatch.setattr(object_store, "PATIENCE_SECONDS", 3.0)
    address = server.uri.replace("@bucket", "@none") if fault == "no bucket" else server.uri
    if fault == "wrong key":
        server.refuse = lambda *_: ("403 Forbidden", "InvalidAccessKeyId")
    if fault == "away":
        server.stop()
    server.requests.clear()
    assert main(["mine.py", option, address, "--train", "a", "--val", "b"]) == 2
    if fault == "away":
        server.start()
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith(
        "error: s3://none: no such bucket" if fault == "no bucket" else "error: s3://bucket: cannot be"
    )
    assert "secret" not in told
    assert server.requests["PUT"] == 0
    assert not list(tmp_path.glob("results/mine/ledger/*"))


def test_a_small_file_is_one_request(server):
    folder = open_folder(server.uri) / "some"
    server.requests.clear()
    folder.write("one", b"1" * 100_000)
    assert server.requests == {"PUT": 1}


def test_a_copy_takes_the_place_of_what_was_there_before(server, tmp_path, monkeypatch):
    def without_links(*_):
        raise OSError(95, "Operation not supported")

    for place, links in ((server.uri, True), (tmp_path, True), (tmp_path, False)):
        if not links:
            monkeypatch.setattr(os, "link", without_links)
        folder = open_folder(place) / "some"
        for content in (b"1", b"2"):
            folder.write("one", content)
            folder.copy("one", "two")
        folder.write("one", b"3")
        folder.copy("none", "two")
        assert [folder.read(name) for name in ("one", "two")] == [b"3", b"2"]
        assert [file.path for file in folder.files()] == ["one", "two"]
