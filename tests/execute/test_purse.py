import math
import time

import pytest

from study.execute.purse import Purse


def test_what_groups_hold_is_spent_by_the_second():
    purse = Purse(1000.0, spent=100.0, rate=4.0)
    now = time.time()
    purse.hold("a", 2.0, now - 50)
    purse.hold("b", 2.0, now - 10)
    assert purse.spent == pytest.approx(100 + 100 + 20, abs=1)
    # 780 device-seconds are left for 4 devices, less what ending takes.
    assert purse.deadline - time.time() == pytest.approx(780 / 4 - 3, abs=1)


def test_a_group_that_has_ended_costs_what_the_ledger_says():
    purse = Purse(1000.0, spent=0.0, rate=1.0)
    purse.hold("a", 1.0, time.time() - 50)
    purse.release("a", 48.0)
    assert purse.spent == pytest.approx(48, abs=0.1)


def test_without_a_budget_there_is_no_deadline():
    assert Purse(None, spent=1e9, rate=1.0).deadline == math.inf
