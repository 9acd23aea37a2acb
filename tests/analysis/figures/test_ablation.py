import numpy as np
import pytest
from matplotlib.figure import Figure
from outcomes import write_outcomes

from analysis.figures.ablation import ablation
from analysis.statistics import t_interval
from study.weighting import hwf, lwf

CHANNELS = {4: (0.40, 0.44), 16: (0.50, 0.52), 64: (0.45, 0.55)}
SETTING = "weighting.channels"


@pytest.fixture
def trials(tmp_path):
    return write_outcomes(tmp_path, [(lwf.Config(channels=n), seeds) for n, seeds in CHANNELS.items()])


def lines(axes) -> dict[str, np.ndarray]:
    """Means of each line by its name."""
    return {str(bars.get_label()): bars.lines[0].get_xydata() for bars in axes.containers}


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def seeds(axes) -> list[list[float]]:
    return [point for part in axes.collections if hasattr(part, "get_sizes") for point in part.get_offsets().tolist()]


def crosses(axes) -> list[float]:
    return [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "x"]


def test_points_are_seeds_and_lines_their_means_with_intervals(trials):
    axes = ablation(trials, SETTING)
    assert sorted(seeds(axes)) == [[n, value] for n, values in CHANNELS.items() for value in values]
    ((bars),) = axes.containers
    assert bars.lines[0].get_xydata() == pytest.approx(np.array([(4, 0.42), (16, 0.51), (64, 0.5)]))
    (intervals,) = bars.lines[2]
    interval = t_interval(CHANNELS[16])
    assert intervals.get_segments()[1][:, 1] == pytest.approx([interval.low, interval.high])
    assert axes.get_xlabel() == "channels"
    assert axes.get_ylabel() == "validation MOTA: seeds, mean, 95 % interval"
    assert axes.get_legend() is None


def test_powers_of_two_have_an_axis_of_base_two_with_their_numbers(trials):
    axes = ablation(trials, SETTING)
    assert (axes.get_xscale(), axes.xaxis.get_transform().base) == ("log", 2)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["4", "16", "64"]


def test_other_numbers_have_a_linear_axis(tmp_path):
    trials = write_outcomes(tmp_path, [(lwf.Config(layers=n), (0.5, 0.6)) for n in (1, 2, 3)])
    axes = ablation(trials, "weighting.layers")
    assert axes.get_xscale() == "linear"
    assert axes.get_xticks().tolist() == [1, 2, 3]


def test_a_failed_seed_leaves_its_value_without_a_mean(trials):
    trials.loc[(trials[SETTING] == 16) & (trials["seed"] == 1), ["status", "val_mota"]] = ["diverged", float("nan")]
    axes = ablation(trials, SETTING)
    ((means),) = lines(axes).values()
    assert np.isnan(means[:, 1]).tolist() == [False, True, False]
    assert crosses(axes) == [16]
    assert texts(axes) == ["1 of 2"]
    assert axes.get_title(loc="left") == "× trials without a figure: 1 diverged"
    assert [16, 0.5] in seeds(axes)


def test_what_else_varies_makes_lines_of_its_own(tmp_path):
    outcomes = [
        (lwf.Config(channels=n, output=output), (0.5, 0.6)) for output in ("relu", "sigmoid") for n in (8, 16, 32)
    ]
    trials = write_outcomes(tmp_path, [*outcomes, (hwf.Config(), (0.5, 0.5))])
    axes = ablation(trials, SETTING)
    assert [len(means) for means in lines(axes).values()] == [3, 3]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["output=relu", "output=sigmoid"]
    markers = {bars.lines[0].get_marker() for bars in axes.containers}
    assert len(markers) == 2


def test_trials_of_other_data_are_not_averaged_with_these(trials):
    trials["data_hash"] = np.where(trials["seed"] == 0, "first data", "second data")
    assert list(lines(ablation(trials, SETTING))) == ["first data:", "second data:"]


def test_figures_far_below_are_told_in_words(tmp_path):
    outcomes = {4: (0.40, 0.42), 8: (-2.8, -2.4), 16: (0.45, 0.46), 32: (0.44, 0.45)}
    axes = ablation(write_outcomes(tmp_path, [(lwf.Config(channels=n), of) for n, of in outcomes.items()]), SETTING)
    assert axes.get_ylim()[0] > 0.3
    ((means),) = lines(axes).values()
    assert np.isnan(means[:, 1]).tolist() == [False, True, False, False]
    assert texts(axes) == ["↓ -2.60"]


def test_one_seed_of_one_value_has_no_interval(tmp_path):
    trials = write_outcomes(tmp_path, [(lwf.Config(channels=8), (0.5,)), (hwf.Config(), (0.5,))])
    axes = ablation(trials, SETTING)
    axes.figure.draw_without_rendering()
    (means,) = lines(axes).values()
    assert means.tolist() == [[8, 0.5]]


def test_without_figures_nothing_is_drawn(trials):
    assert texts(ablation(trials, "weighting.alpha")) == ["no trial has a number for weighting.alpha"]
    assert texts(ablation(trials[:0], SETTING)) == ["no trial has a number for weighting.channels"]
    trials["status"] = "failed"
    assert texts(ablation(trials, SETTING)) == ["none of 6 trials with a number for weighting.channels completed"]


def test_a_seed_far_below_is_told_beside_the_mean_that_includes_it(tmp_path):
    outcomes = [(lwf.Config(channels=n), (0.5, 0.51, 0.52, 0.5)) for n in (4, 8, 16)]
    trials = write_outcomes(tmp_path, [*outcomes, (lwf.Config(channels=32), (0.6, 0.6, 0.6, 0.0))])
    axes = ablation(trials, SETTING)
    assert texts(axes) == ["↓ 0.45"]
    trials.loc[trials["val_mota"] == 0, "val_mota"] = 0.24
    axes = ablation(trials, SETTING)
    assert texts(axes) == ["a seed ↓ 0.24"]
    ((means),) = lines(axes).values()
    assert means[-1] == pytest.approx([32, 0.51])


def test_imported_trials_are_counted_only(trials):
    trials.loc[trials["seed"] == 1, "imported_from"] = "past.csv"
    axes = ablation(trials, SETTING)
    assert len(seeds(axes)) == 3
    assert axes.get_title(loc="left") == "imported trials, not shown: 3"


def test_marks_of_many_lines_and_numbers_do_not_cover_each_other_or_the_figures(tmp_path):
    outcomes = [
        (lwf.Config(channels=n, output=output), (0.50 + n / 1000, 0.51 + n / 1000))
        for output in ("relu", "sigmoid")
        for n in (8, 16, 32, 64)
    ]
    trials = write_outcomes(tmp_path, outcomes)
    trials.loc[(trials["seed"] == 1) & (trials[SETTING] > 8), ["status", "val_mota"]] = ["timeout", float("nan")]
    axes = ablation(trials, SETTING)
    axes.figure.draw_without_rendering()
    marks = [text.get_window_extent() for text in axes.texts]
    assert texts(axes) == ["1 of 2"] * 6
    assert not any(one.overlaps(two) for i, one in enumerate(marks) for two in marks[:i])
    lowest = axes.transData.transform((8, min(height for _, height in seeds(axes))))[1]
    assert all(mark.y1 < lowest for mark in marks)


def test_given_axes_are_drawn_into(trials):
    axes = Figure().subplots()
    assert ablation(trials, SETTING, axes=axes) is axes
    assert axes.has_data()
