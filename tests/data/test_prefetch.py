import threading

import pytest

from study.data.prefetch import one_ahead


def test_everything_comes_in_order_made_by_a_thread_of_its_own():
    makers = set()

    def make(number):
        makers.add(threading.current_thread())
        return number * number

    assert list(one_ahead(make, 5)) == [0, 1, 4, 9, 16]
    assert len(makers) == 1
    assert threading.main_thread() not in makers
    assert list(one_ahead(make, 0)) == []


def test_the_next_one_is_made_while_one_is_used_and_not_more():
    made = [threading.Event() for _ in range(3)]
    batches = one_ahead(lambda number: made[number].set(), 3)
    next(batches)
    assert made[1].wait(30)
    assert not made[2].is_set()
    batches.close()


def test_an_error_comes_at_its_place():
    def make(number):
        return 1 // (2 - number)

    batches = one_ahead(make, 4)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(batches)
