"""Whole studies in an object store that goes away, is slow, or refuses: the rows are those of a quiet disk."""

import os
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest
from s3_server import running
from study_files import study_file

from study.data.presets import ensure_drawn
from study.files import open_folder
from study.results import comparable, load
from study.search.storage import NAME

pytestmark = pytest.mark.timeout(1800)  # Ray starts up to three times in each

STUDY = study_file(
    train="epochs=2, steps_per_epoch=3, warmup_steps=1",
    weighting="waiting.Config()",
    imports="import waiting",
    root="",
    # Of several at once, what is suggested depends on which ends first.
    more="""
    search=Search(space={"weighting.loss_weights": Simplex(ratio=5)}, num_configurations=3),
    execution=Execution(max_concurrent_trials=1),
    """,
)

WAITING = '''
"""Hard weights, and results that are not waited for as long as they are by default; beside the study file."""
import os

from study import object_store
from study.weighting import hwf

object_store.PATIENCE_SECONDS = float(os.environ.get("PATIENCE", object_store.PATIENCE_SECONDS))


class Config(hwf.Config):
    pass
'''

ROWS = {
    "trials": [],
    "steps": ["step", "task"],
    "epochs": ["epoch", "split", "task"],
    "sequences": ["split", "sequence"],
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return ensure_drawn("tiny", tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def server(drawn):
    with running("bucket") as server:
        for file in (path for path in drawn.rglob("*") if path.is_file()):
            (open_folder(server.uri) / f"mot/{file.parent.relative_to(drawn)}").write(file.name, file.read_bytes())
        yield server


@pytest.fixture(scope="module")
def start(drawn, tmp_path_factory):
    """Starts the study with these results and data, in a folder of its own: nothing is left here of earlier runs."""
    train, val, *_ = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    cache = tmp_path_factory.mktemp("cache")
    started = []

    def start(results, data, **variables):
        place = tmp_path_factory.mktemp("driver")
        (place / "tiny.py").write_text(STUDY)
        (place / "waiting.py").write_text(WAITING)
        environment = os.environ | {"LOSS_WEIGHTING_CACHE": str(cache)} | variables
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        command = [sys.executable, "-m", "study.run", "tiny.py", "--results", str(results), "--data", str(data)]
        command += ["--train", train, "--val", val]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, cwd=place, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def undisturbed(start, drawn, tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    process = start(results, drawn)
    out, error = process.communicate(timeout=900)
    assert process.returncode == 0, out + error
    return rows(str(results))


def rows(results):
    """All that trials left, but for time, memory, host and date."""
    found = {name: comparable(load(results, name)) for name in ROWS}
    return {name: table.sort_values(["trial_id", *ROWS[name]], ignore_index=True) for name, table in found.items()}


def assert_equal(found, expected):
    assert len(expected["trials"]) == 3
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)


def wait_for(folder, suffix, process):
    until = time.monotonic() + 900
    while not folder.names(suffix):
        assert process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < until
        time.sleep(0.2)


def busy(every):
    """Refuse each so many requests, in one way or another."""
    answers = (("503 Slow Down", "SlowDown"), ("500 Internal Server Error", "InternalError"))
    asked = iter(range(10**9))

    def refuse(method, path):
        del method, path
        number = next(asked)
        return answers[number // every % 2] if number % every == 0 else None

    return refuse


def test_a_store_that_is_slow_refuses_and_goes_away_loses_and_doubles_nothing(server, start, undisturbed):
    results, data = (server.uri.replace("?", f"/{place}?") for place in ("results", "mot"))
    server.delay, server.refuse = 0.05, busy(every=4)
    process = start(results, data)
    wait_for(open_folder(results) / "tiny" / "epochs", ".parquet", process)
    server.stop()
    back = threading.Timer(20, server.start)
    back.start()
    out, error = process.communicate(timeout=900)
    back.join()
    server.delay, server.refuse = 0.0, None
    assert process.returncode == 0, out + error
    assert error == ""
    assert_equal(rows(results), undisturbed)
    assert set(load(results, "ledger")["status"]) == {"completed"}
    ids = set(undisturbed["trials"]["trial_id"])
    left = open_folder(results) / "tiny"
    assert set((left / "checkpoints").folders()) <= ids
    assert {name.removesuffix(".log") for name in (left / "logs").names(".log")} == ids
    assert NAME in left.names(".db")


def test_a_store_that_stays_away_ends_the_study_which_goes_on_from_there(server, start, undisturbed):
    results, data = (server.uri.replace("?", f"/{place}?") for place in ("results", "mot"))
    process = start(results, data, PATIENCE="2")
    place = open_folder(results) / "tiny"
    wait_for(place / "trials", ".parquet", process)
    server.stop()
    _, error = process.communicate(timeout=900)
    server.start()
    assert process.returncode == 2, error
    (line,) = error.splitlines()
    assert line.startswith("error: cannot ")
    assert "s3://bucket/results/tiny/" in line
    assert "NETWORK_CONNECTION" in line
    assert "secret" not in line

    process = start(results, data)  # as after a loss of the machine: nothing of the first run is here
    wait_for(place / "epochs", ".parquet", process)
    process.kill()
    process.communicate()
    time.sleep(1)  # its workers end on their own

    process = start(results, data)
    out, error = process.communicate(timeout=900)
    assert process.returncode == 0, out + error
    assert_equal(rows(results), undisturbed)
    assert load(results, "ledger").groupby("kind").size()["attempt"] >= 3
