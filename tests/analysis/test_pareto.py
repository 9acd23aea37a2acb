import numpy as np
import pandas as pd
import pytest

from analysis.pareto import hypervolume, pareto_front

POINTS = pd.DataFrame(
    {"device_seconds": [10.0, 20.0, 30.0, 20.0, 15.0, 30.0], "val_mota": [0.2, 0.5, 0.6, 0.5, 0.1, None]},
    index=list("abcdef"),
)
OBJECTIVES = {"lower": ["device_seconds"], "higher": ["val_mota"]}


def test_the_front_is_what_nothing_beats_in_everything():
    front = pareto_front(POINTS, **OBJECTIVES)
    assert front[front].index.tolist() == ["a", "b", "c", "d"]
    assert not pareto_front(POINTS.assign(val_mota=np.nan), **OBJECTIVES).any()
    assert not len(pareto_front(POINTS.iloc[:0], **OBJECTIVES))


def test_hypervolume_of_a_staircase_is_the_area_below_it():
    area = (40 - 30) * 0.6 + (30 - 20) * 0.5 + (20 - 10) * 0.2
    assert hypervolume(POINTS, [40.0, 0.0], **OBJECTIVES) == pytest.approx(area)
    assert hypervolume(POINTS.loc[["e"]], [15.0, 0.0], **OBJECTIVES) == 0
    assert hypervolume(POINTS.loc[["f"]], [40.0, 0.0], **OBJECTIVES) == 0


def test_hypervolume_of_known_boxes_in_three_dimensions():
    boxes = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [3.0, 2.0, 1.0], "z": [1.0, 2.0, 1.0]})
    union = 3 * 1 * 1 + 2 * 2 * 2 + 3 * 1 * 1 - (1 * 2 * 1 + 2 * 1 * 1 + 1 * 1 * 1) + 1
    assert hypervolume(boxes, [0.0, 0.0, 0.0], higher=["x", "y", "z"]) == pytest.approx(union)
