import math

import pandas as pd
import pytest

from analysis.figures.trajectories import loss_weights, task_losses


def steps(method, trial, cls, reg):
    return pd.DataFrame(
        {
            "method": method,
            "trial_id": trial,
            "step": [0, 10, 20] * 2,
            "task": ["cls"] * 3 + ["reg"] * 3,
            "loss_weight": [*cls, *reg],
        }
    )


ROWS = pd.concat(
    [
        steps("famo", "a", [1.0, 2.0, 3.0], [1.0, 0.5, 0.25]),
        steps("famo", "b", [1.0, 2.5, 3.5], [1.0, 0.4, 0.2]),
        steps("lwf", "c", [0.5, 0.0, 0.0], [0.5, -0.1, 1e-9]),
    ]
)
COLLAPSES = pd.DataFrame(
    {"method": ["lwf"], "trial_id": ["c"], "weighting_status": ["collapsed"], "weighting_status_step": [10.0]}
)


def test_a_panel_a_method_and_a_line_a_task_and_trial():
    figure = loss_weights(ROWS, COLLAPSES)
    famo, lwf = (axes for axes in figure.axes if axes.get_title())
    assert [famo.get_title(), lwf.get_title()] == ["famo", "lwf"]
    assert famo.get_yscale() == "log"
    assert [line.get_ydata().tolist() for line in famo.lines] == [
        [1, 2, 3],
        [1, 0.5, 0.25],
        [1, 2.5, 3.5],
        [1, 0.4, 0.2],
    ]
    assert famo.lines[0].get_color() == famo.lines[2].get_color() != famo.lines[1].get_color()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cls", "reg"]


def test_weights_of_zero_stand_at_the_edge_negative_ones_are_gaps_and_the_collapse_is_marked():
    figure = loss_weights(ROWS, COLLAPSES)
    lwf = figure.axes[1]
    cls, reg, mark = lwf.lines
    assert cls.get_ydata().tolist() == pytest.approx([0.5, 1e-4, 1e-4])
    assert reg.get_ydata()[0] == 0.5
    assert math.isnan(reg.get_ydata()[1])
    assert mark.get_xdata()[0] == 10
    assert [text.get_text() for text in lwf.texts] == ["collapsed since step 10"]
    assert lwf.get_ylim()[0] < 1e-4
    assert not figure.axes[0].texts


def test_noise_has_less_than_its_panel():
    constant = steps("equal", "a", [1.0, 1.0, 1.0], [1.001, 1.0, 0.999])
    low, high = loss_weights(constant).axes[0].get_ylim()
    assert high / low > 10


def test_losses_over_epochs():
    rows = pd.DataFrame({"method": "famo", "trial_id": "a", "epoch": [1, 2], "task": "cls", "loss": [0.9, 0.4]})
    axes = task_losses(rows).axes[0]
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.9], [2, 0.4]]
    assert axes.get_xlabel() == "epoch"


def test_without_rows_it_says_so():
    assert loss_weights(ROWS.iloc[:0]).axes[0].texts[0].get_text() == "no loss weight was recorded"
