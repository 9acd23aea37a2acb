"""What the watch says of loss weights that a test gives."""

import pytest

from study.collapse import PATIENCE, CollapseWatch, sum_and_shares


def watch(*weights):
    found = CollapseWatch()
    for step, row in enumerate(weights):
        found.update(step, row)
    return found


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ([1.0, 1.0], "healthy"),
        ([0.0101, 0.01], "healthy"),
        ([0.009, 0.01], "collapsed"),
        ([0.0, 0.0], "collapsed"),
        ([2.0, -0.1], "reversed"),
        ([0.0, 1.0], "one_task"),
        ([0.985, 0.015], "healthy"),
        ([-0.001, 0.001], "collapsed"),
    ],
)
def test_a_condition_counts_once_it_has_lasted(row, status):
    start = [[1.0, 1.0]] * 3
    assert watch(*start, *[row] * (PATIENCE - 1)).status == ("healthy", None)
    assert watch(*start, *[row] * PATIENCE).status == (status, None if status == "healthy" else 3)


def test_a_single_better_step_ends_it_before_it_counts_and_not_after():
    one, both = [1.0, 0.0], [1.0, 1.0]
    assert watch(*[one] * (PATIENCE - 1), both, *[one] * (PATIENCE - 1)).status == ("healthy", None)
    assert watch(both, *[one] * PATIENCE, both, one).status == ("one_task", 1)


def test_it_ends_when_it_is_gone_for_as_long():
    before = [[1.0, 1.0], *[[1.0, 0.0]] * 50]
    assert watch(*before, *[[1.0, 1.0]] * (PATIENCE - 1)).status == ("one_task", 1)
    assert watch(*before, *[[1.0, 1.0]] * PATIENCE).status == ("healthy", None)


def test_weights_that_were_never_there_have_collapsed_from_the_start():
    assert watch(*[[0.0, 0.0]] * PATIENCE).status == ("collapsed", 0)


def test_it_goes_on_from_its_state():
    first = watch([2.0, 2.0], *[[0.001, 0.001]] * 10)
    second = CollapseWatch()
    second.load_state(first.state())
    for step in range(11, 1 + PATIENCE):
        second.update(step, [0.001, 0.001])
    assert second.status == ("collapsed", 1)


def test_shares_are_of_absolute_values():
    assert sum_and_shares([3.0, -1.0]) == (4, [0.75, 0.25])
    assert sum_and_shares([0.0, 0.0]) == (0, [0, 0])
