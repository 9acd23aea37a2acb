import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from outcomes import write_outcomes

from analysis.figures.parallel import MOST, parallel_coordinates
from study.weighting import lwf


@pytest.fixture
def trials(tmp_path):
    outcomes = [
        (lwf.Config(lr=1e-4, channels=8, output="relu"), (0.40, 0.42)),
        (lwf.Config(lr=1e-3, channels=16, output="sigmoid"), (0.60, 0.62)),
        (lwf.Config(lr=1e-2, channels=24, output="sigmoid"), (0.50, 0.52)),
    ]
    return write_outcomes(tmp_path, outcomes)


def names(axes) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]


def lines(axes) -> list[np.ndarray]:
    """Heights of configurations that have a figure, worst first, the best one twice."""
    reach = len(names(axes))
    return [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == reach and line.get_linestyle() == "-"]


def lost(axes) -> list[np.ndarray]:
    return [line.get_xydata() for line in axes.lines if line.get_linestyle() == "--"]


def ticks(axes, place) -> dict[str, float]:
    return {text.get_text(): text.xy[1] for text in axes.texts if text.xy[0] == place and text.get_ha() == "right"}


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_an_axis_a_setting_with_real_values_and_the_metric_last(trials):
    axes = parallel_coordinates(trials)
    assert names(axes) == ["channels", "lr\n(log)", "output", "validation MOTA"]
    assert ticks(axes, 0) == pytest.approx({"8": 0, "16": 0.5, "24": 1})
    assert ticks(axes, 1) == pytest.approx({"0.0001": 0, "0.001": 0.5, "0.01": 1})
    assert ticks(axes, 2) == {"relu": 0, "sigmoid": 1}
    assert ticks(axes, 3) == pytest.approx({"0.41": 0, "0.51": 0.5, "0.61": 1})


def test_a_line_a_configuration_through_its_values_and_its_mean(trials):
    worst, middle, best, thick = lines(parallel_coordinates(trials))
    assert worst == pytest.approx([0, 0, 0, 0])
    assert middle == pytest.approx([1, 1, 1, 0.5])
    assert best == pytest.approx([0.5, 0.5, 1, 1])
    assert np.array_equal(best, thick)


def test_the_best_is_thick_and_labelled(trials):
    axes = parallel_coordinates(trials)
    assert axes.lines[-1].get_linewidth() > 2 * axes.lines[-2].get_linewidth()
    assert texts(axes)[-1] == "best under 2 seeds:\n0.610"


@pytest.mark.parametrize(
    ("status", "told"), [("pruned", "stopped early (1)"), ("failed", "a seed failed, or has no figure (1)")]
)
def test_lines_without_a_figure_end_before_the_metric(trials, status, told):
    trials.loc[trials["weighting.channels"] == 16, ["status", "val_mota"]] = [status, float("nan")]
    axes = parallel_coordinates(trials)
    (line,) = lost(axes)
    assert line[:, 1] == pytest.approx([0.5, 0.5, 1, 1])
    assert line[-1, 0] < 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [told]
    assert texts(axes)[-1] == "best under 2 seeds:\n0.510"


def test_a_configuration_with_a_failed_seed_has_no_mean(trials):
    first = (trials["weighting.channels"] == 16) & (trials["seed"] == 0)
    trials.loc[first, ["status", "val_mota"]] = ["failed", float("nan")]
    axes = parallel_coordinates(trials)
    assert len(lost(axes)) == 1
    assert len(lines(axes)) == 3


def test_where_nothing_completed_settings_are_shown_without_a_figure(trials):
    trials["status"] = "failed"
    axes = parallel_coordinates(trials)
    assert ticks(axes, 3) == {"no configuration\ncompleted": 0.5}
    assert len(lost(axes)) == 3
    assert lines(axes) == []


def test_configurations_without_a_value_stand_below_the_axis(trials):
    trials.loc[trials["weighting.channels"] == 16, "weighting.lr"] = float("nan")
    trials.loc[trials["weighting.channels"] == 16, "weighting.output"] = None
    axes = parallel_coordinates(trials)
    assert ticks(axes, 1)["-"] < 0
    *_, thick = lines(axes)
    assert thick[1] == ticks(axes, 1)["-"] == ticks(axes, 2)["-"]


def test_of_many_settings_the_rarest_are_left_out_and_named(trials):
    for i in range(MOST):
        trials[f"train.setting_{i}"] = trials["weighting.channels"] + i
    trials["train.setting_2"] = np.where(trials["weighting.channels"] == 8, np.nan, 1.0)
    trials["train.setting_5"] = np.where(trials["weighting.channels"] == 16, np.nan, 1.0)
    trials["train.setting_7"] = np.where(trials["weighting.channels"] == 16, None, "yes")
    axes = parallel_coordinates(trials)
    assert len(names(axes)) == MOST + 1
    assert axes.get_xlabel() == "not shown: setting_2, setting_5, setting_7"


def test_a_collapsed_configuration_stands_below_the_metrics_axis(tmp_path):
    outcomes = [(lwf.Config(channels=8 * n), (0.4 + n / 50,)) for n in (1, 2, 3, 4)]
    axes = parallel_coordinates(write_outcomes(tmp_path, [*outcomes, (lwf.Config(channels=40), (-2.8,))]))
    assert ticks(axes, 1)["-2.80"] < 0
    assert ticks(axes, 1)["0.42"] == 0


def test_settings_of_equal_names_are_told_apart(trials):
    trials["train.lr"] = trials["weighting.channels"]
    assert names(parallel_coordinates(trials))[:2] == ["channels", "weighting.\nlr\n(log)"]


def test_many_values_have_round_ticks_that_do_not_touch(tmp_path):
    outcomes = [(lwf.Config(lr=1.3**n * 1e-4), (0.4 + n / 100,)) for n in range(20)]
    axes = parallel_coordinates(write_outcomes(tmp_path, outcomes))
    heights = sorted(ticks(axes, 0).values())
    assert {"0.0001", "0.001", "0.01"} <= set(ticks(axes, 0))
    assert (heights[0], heights[-1]) == pytest.approx((0, 1))
    assert min(np.diff(heights)) >= 0.06


def test_without_settings_nothing_is_drawn(tmp_path):
    trials = write_outcomes(tmp_path, [(lwf.Config(), (0.5, 0.6))])
    assert texts(parallel_coordinates(trials)) == ["no setting varies between these trials"]
    assert texts(parallel_coordinates(trials[:0])) == ["no trials"]


def test_imported_trials_are_counted_only(trials):
    past = trials[:2].assign(imported_from="past.csv", configuration_id="past")
    axes = parallel_coordinates(pd.concat([trials, past], ignore_index=True))
    assert axes.get_xlabel() == "imported trials, not shown: 2"
    assert len(lines(axes)) == 4


def test_given_axes_are_drawn_into(trials):
    axes = Figure().subplots()
    assert parallel_coordinates(trials, axes=axes) is axes
    assert axes.has_data()
