import math

import numpy as np
import pytest
from example_rows import make_entry, make_row, make_trial

from study.comparison import compare, made_otherwise


def step(number, task="cls", **values):
    return {"trial_id": "t", "epoch": 1, "step": number, "task": task, "loss": 0.5, "lr": 0.1, "dead": False} | values


def epoch(number, task="", **values):
    return {"trial_id": "t", "epoch": number, "split": "val", "task": task, "mota": 0.5, "idsw": 3} | values


def trial(**values):
    return make_row(make_trial(), 0.5) | {"study": "example", "imported_from": None} | values


def test_equal_rows_are_equal_whatever_they_cost_and_whoever_made_them():
    entry = make_entry(make_trial(), held_seconds=7.0)
    one = trial()
    other = make_row(make_trial(), 0.5, ledger=[entry], peak_memory_bytes=9) | {
        "study": "another",
        "code_hash": "0" * 16,
        "torch_version": "1.0",
        "git_sha": None,
    }
    found = compare({"steps": [step(0), step(1)], "trials": [one]}, {"steps": [step(0), step(1)], "trials": [other]})
    assert found.equal
    assert (found.tables, found.rows) == (2, 3)


@pytest.mark.parametrize(
    ("before", "now"),
    [(0.5, 0.5), (None, None), (math.nan, math.nan), (None, math.nan), (math.inf, math.inf), (0, 0.0), ("a", "a")],
)
def test_values_that_are_the_same(before, now):
    assert compare({"steps": [step(0, loss=before)]}, {"steps": [step(0, loss=now)]}).equal


@pytest.mark.parametrize(
    ("before", "now", "largest"),
    [
        (1.0, float(np.nextafter(1.0, 2.0)), 2**-52),
        (0.0, -0.0, 0.0),
        (1.0, None, None),
        (1.0, math.inf, None),
        (math.nan, 1.0, None),
        ("a", "b", None),
    ],
)
def test_values_that_are_not(before, now, largest):
    (difference,) = compare({"steps": [step(0, loss=before)]}, {"steps": [step(0, loss=now)]}).differences
    assert (difference.table, difference.column, difference.largest) == ("steps", "loss", largest)


def test_the_largest_difference_of_every_column_is_told_and_the_earliest_comes_first():
    before = {"epochs": [epoch(1), epoch(2)], "steps": [step(0), step(1), step(2), step(3)]}
    now = {
        "epochs": [epoch(1, idsw=4), epoch(2)],
        "steps": [step(0), step(1, lr=0.2), step(2, loss=0.75), step(3, loss=0.25)],
    }
    found = compare(before, now)
    assert found.rows == 6
    lr, loss, idsw = found.differences
    assert (lr.table, lr.column, lr.first, lr.before, lr.now) == ("steps", "lr", "step=1 task=cls", 0.1, 0.2)
    assert (lr.rows, lr.of, lr.largest, lr.largest_relative) == (1, 4, 0.1, 0.5)
    assert (loss.column, loss.rows, loss.largest, loss.largest_relative) == ("loss", 2, 0.25, 0.5)
    assert (idsw.table, idsw.first, idsw.before, idsw.now) == ("epochs", "epoch=1 split=val task=", 3, 4)


def test_rows_that_only_one_run_has_are_told_but_not_those_after_the_end_of_one_that_broke_off():
    one, other = {"steps": [step(0), step(1)]}, {"steps": [step(1), step(2), step(3)]}
    found = compare(one, other)
    assert found.rows == 1
    assert found.lonely == (
        "steps: 1 rows only then, the first step=0 task=cls",
        "steps: 2 rows only now, the first step=2 task=cls",
    )
    assert not found.equal
    assert compare(one, other, whole=False).lonely == found.lonely[:1]
    assert compare({"steps": []}, other, whole=False).equal


def test_what_made_a_row_is_told_apart_also_a_setting_that_is_new():
    one = trial()
    assert made_otherwise(one, trial()) == []
    settings = one["configuration"].replace('"warmup_steps": 50', '"warmup_steps": 60')
    assert made_otherwise(trial(code_hash="abc", torch_version="1.0") | {"configuration": settings}, one) == [
        f"code_hash abc -> {one['code_hash']}",
        f"torch_version 1.0 -> {one['torch_version']}",
        "train.warmup_steps 60 -> 50",
    ]
