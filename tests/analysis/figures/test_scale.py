import pytest

from analysis.figures.scale import near_range


@pytest.mark.parametrize(
    ("values", "near"),
    [
        ([0.4, 0.5, 0.6], (0.4, 0.6)),
        ([-2.8, 0.4, 0.5], (0.4, 0.5)),
        ([-2.8, -2.4, 0.5, 0.52, 0.51], (0.5, 0.52)),
        ([0.37, 0.36, 0.25, 0.0], (0.25, 0.37)),
        ([0.5, 0.5, float("nan")], (0.5, 0.5)),
        ([0.0, 0.0, -1.0], (-1.0, 0.0)),
        ([0.3], (0.3, 0.3)),
    ],
)
def test_what_lies_near_the_others(values, near):
    assert near_range(values) == pytest.approx(near)
    assert near_range([-value for value in values], less=True) == pytest.approx((-near[1], -near[0]))
