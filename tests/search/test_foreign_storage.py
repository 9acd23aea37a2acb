"""An Optuna storage from elsewhere: CMA-ES keeps its state pickled in it, and nothing else is unpickled."""

import contextlib
import json
import os
import pickle
import shutil
import sqlite3

import pytest
from searches import Driver, search_study

from study.errors import UserError
from study.search.storage import NAME


class Executes:
    """Unpickling an instance makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Results of a search that is under way."""
    driver = Driver(search_study(15, sampler="cmaes"), tmp_path_factory.mktemp("results"))
    driver.run(most=12)
    return driver


STATES = {
    "code": (lambda made: pickle.dumps(Executes(made)).hex(), r"it names code, posix\.mkdir, which is never run"),
    "a list": (lambda _: pickle.dumps([1.0]).hex(), "found a list"),
    "no digits": (lambda _: "no digits", "non-hexadecimal"),
}


@pytest.mark.parametrize("state", STATES)
def test_nothing_but_the_state_of_the_sampler_is_unpickled(state, searched, tmp_path):
    shutil.copytree(searched.results, tmp_path / "results")
    driver = Driver(searched.study, tmp_path / "results")
    path, made = tmp_path / "results" / "example" / NAME, tmp_path / "made"
    content, reason = STATES[state]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        changed = connection.execute(
            "UPDATE trial_system_attributes SET value_json = ? WHERE key LIKE '%optimizer%'",
            (json.dumps(content(made)),),
        )
        assert changed.rowcount > 0
    with pytest.raises(UserError, match=rf"the state of CMA-ES in the Optuna storage cannot be used \({reason}"):
        driver.run(most=1)
    assert not made.exists()
    path.unlink()
    assert len(driver.run(most=1)) == 1
