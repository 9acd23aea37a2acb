import pandas as pd
import pytest

from analysis.figures.budget import best_after_budget

CURVES = pd.DataFrame(
    {
        "method": ["hwf"] * 3 + ["famo", "lwf", "dwa"],
        "device_seconds": [100.0, 200.0, 300.0, 120.0, 130.0, 140.0],
        "val_mota": [float("nan"), 0.4, 0.5, 0.45, -2.0, float("nan")],
    }
)


def test_searches_are_steps_from_their_first_result_and_single_runs_points():
    axes = best_after_budget(CURVES, target=0.48)
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["hwf"].get_xydata().tolist() == [[200, 0.4], [300, 0.5]]
    assert lines["hwf"].get_drawstyle() == "steps-post"
    assert lines["famo"].get_xydata().tolist() == [[120, 0.45]]
    assert lines["famo"].get_linestyle() == "None"
    assert "dwa" not in lines
    order = [text.get_text() for text in axes.get_legend().get_texts()]
    assert order == ["hwf", "famo", "lwf"]
    assert any(line.get_ydata()[0] == 0.48 for line in axes.lines if line.get_linestyle() == "--")


def test_what_is_far_below_is_named_and_does_not_flatten_the_rest():
    axes = best_after_budget(CURVES)
    assert axes.get_ylim()[0] == pytest.approx(0.38)
    assert axes.get_xlabel().endswith("below the picture: lwf")


def test_without_any_result_it_says_so():
    axes = best_after_budget(CURVES[CURVES["method"] == "dwa"])
    assert axes.texts[0].get_text() == "nothing was found yet, or costs are unknown"
