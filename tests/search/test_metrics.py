import math

import pytest

from study.schema import DIAGNOSTICS, METRICS, SCHEMAS
from study.search.metrics import METRIC_NAMES, better, is_figure


def test_every_metric_is_a_column_and_says_which_way_is_better():
    assert set(METRIC_NAMES) <= set(SCHEMAS["trials"].names)
    worse_if_more = {name for name in METRIC_NAMES if better(name) < 0}
    assert worse_if_more == {"val_idsw", "val_fp", "val_fn", "val_frag", "val_ml"}
    assert len(METRIC_NAMES) == len(METRICS) + len(DIAGNOSTICS)
    assert better("device_seconds") == -1


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, True), (-3, True), (math.nan, False), (math.inf, False), (None, False), ("1", False)]
)
def test_figures_are_finite_numbers(value, expected):
    assert is_figure(value) is expected
