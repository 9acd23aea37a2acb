import numpy as np
import pytest
from example_rows import make_row, make_trial
from matplotlib.figure import Figure

from analysis.figures.predicted import predicted_vs_actual
from study.results import ResultStore, load


@pytest.fixture
def trials(tmp_path):
    """Four completed trials at 100 device-seconds, predicted at 80, 100, 120 and 200."""
    store = ResultStore(tmp_path, "example")
    for seed, predicted in enumerate((80.0, 100.0, 120.0, 200.0)):
        trial = make_trial(seed=seed)
        store.write_trial(make_row(trial, 0.5, device_seconds=100.0, predicted_device_seconds=predicted))
    return load(tmp_path).sort_values("seed", ignore_index=True)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def points(axes, label):
    (found,) = (part for part in axes.collections if str(part.get_label()).startswith(label))
    return found.get_offsets()


def names(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_point_a_trial_and_the_share_inside_the_band(trials):
    axes = predicted_vs_actual(trials)
    assert points(axes, "hwf").tolist() == [[100, 80], [100, 100], [100, 120], [100, 200]]
    told = "3 of 4 trials (75%) within ±25%\nmedian of predicted / actual: 1.10"
    assert axes.get_title(loc="left") == told
    assert texts(axes) == []
    assert names(axes) == ["within ±25%", "as predicted", "hwf (4)"]


def test_the_band_is_a_quarter_of_the_actual_cost(trials):
    axes = predicted_vs_actual(trials)
    (band,) = (part for part in axes.collections if part.get_label() == "within ±25%")
    corners = band.get_paths()[0].vertices
    actual = corners[:, 0].max()
    assert sorted(set(corners[corners[:, 0] == actual][:, 1])) == pytest.approx([0.75 * actual, 1.25 * actual])
    (diagonal,) = axes.lines
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()


def test_trials_that_are_not_drawn_are_counted(trials):
    trials.loc[0, "predicted_device_seconds"] = float("nan")
    trials.loc[1, "status"] = "failed"
    trials.loc[2, "imported_from"] = "past.csv"
    axes = predicted_vs_actual(trials)
    assert points(axes, "hwf").tolist() == [[100, 200]]
    told = "not shown: 1 trial imported; 1 trial that did not complete; 1 trial without prediction or cost"
    assert texts(axes) == [told]


def test_lost_attempts_are_marked(trials):
    trials.loc[3, "lost_seconds"] = 30.0
    axes = predicted_vs_actual(trials)
    assert points(axes, "an attempt was lost").tolist() == [[100, 200]]
    assert names(axes)[-1] == "an attempt was lost (1)"


def test_costs_far_apart_have_logarithmic_axes(trials):
    assert predicted_vs_actual(trials).get_xscale() == "linear"
    trials.loc[0, ["device_seconds", "predicted_device_seconds"]] = 5000.0
    axes = predicted_vs_actual(trials)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_without_predictions_nothing_is_drawn(trials):
    trials["predicted_device_seconds"] = float("nan")
    (told,) = texts(predicted_vs_actual(trials))
    assert told == "no completed trial has a prediction and a cost\n4 trials without prediction or cost"
    assert texts(predicted_vs_actual(trials[:0])) == ["no trials"]


def test_weightings_differ_in_looks(trials):
    trials.loc[:1, "weighting"] = "lwf"
    axes = predicted_vs_actual(trials)
    colours = {str(part.get_label()): tuple(part.get_facecolor()[0]) for part in axes.collections}
    assert colours["hwf (2)"] != colours["lwf (2)"]


def test_given_axes_are_drawn_into(trials):
    axes = Figure().subplots()
    assert predicted_vs_actual(trials, axes=axes) is axes
    assert axes.has_data()
