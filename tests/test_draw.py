import random

import pytest

from study.draw import RandomDraw


@pytest.mark.parametrize(("log", "middle"), [(False, 32.5), (True, 8.0)])
def test_whole_numbers_at_random_are_uniform_or_uniform_by_their_logarithm(log, middle):
    draw = RandomDraw(random.Random(0))
    drawn = [draw.suggest_int("n", 1, 64, log=log) for _ in range(4000)]
    assert set(drawn) == set(range(1, 65))
    assert sum(n < middle for n in drawn) / len(drawn) == pytest.approx(0.5, abs=0.06)
