import math
import time

import pytest

from study.execute.purse import Purse


def test_what_groups_hold_is_spent_by_the_second():
    purse = Purse(1000.0, spent=100.0, devices=2.0)
    now = time.monotonic()
    purse.hold("a", now - 50)
    purse.hold("b", now - 10)
    assert purse.spent == pytest.approx(100 + 100 + 20, abs=1)
    purse.hold("b", now - 8)  # it turned out that it did so later
    purse.hold("b", now - 10)
    # 780 device-seconds are left for groups of 2 devices.
    assert purse.left == pytest.approx(780 / 2, abs=1)


def test_a_group_that_has_ended_costs_what_the_ledger_says():
    purse = Purse(1000.0, spent=0.0, devices=1.0)
    purse.hold("a", time.monotonic() - 50)
    purse.release("a", 48.0)
    assert purse.spent == pytest.approx(48, abs=0.1)


def test_it_is_empty_while_there_is_time_to_end_what_holds():
    purse = Purse(100.0, spent=95.0, devices=1.0)
    assert not purse.is_empty
    purse.hold("a", time.monotonic())
    assert not purse.is_empty
    purse.hold("b", time.monotonic())
    assert purse.is_empty


def test_without_a_budget_it_is_never_empty():
    purse = Purse(None, spent=1e9, devices=1.0)
    purse.hold("a", time.monotonic())
    assert purse.left == math.inf
    assert not purse.is_empty


def test_a_group_that_never_held_anything_costs_nothing():
    purse = Purse(100.0, spent=10.0, devices=1.0)
    purse.release("waited in vain", 0.0)
    assert purse.spent == 10.0
