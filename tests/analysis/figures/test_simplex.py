import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from outcomes import write_outcomes

from analysis.figures.simplex import loss_weight_simplex
from study.weighting import hwf, lwf

TABLE = {(1, 1, 1): (0.50, 0.52), (2, 1, 1): (0.60, 0.62), (0.1, 1, 8.9): (0.40, 0.42)}


def config(weights) -> hwf.Config:
    return hwf.Config(loss_weights=dict(zip(("cls", "reg", "reid"), weights, strict=True)))


@pytest.fixture
def trials(tmp_path):
    outcomes = [(config(weights), seeds) for weights, seeds in TABLE.items()]
    return write_outcomes(tmp_path, [*outcomes, (lwf.Config(), (0.9, 0.9))])


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def shares(axes, part) -> np.ndarray:
    """Where points lie, as shares of the three tasks."""
    return axes.transProjection.inverted().transform(np.asarray(part.get_offsets()))


def points(axes):
    return next(part for part in axes.collections if len(part.get_sizes()) and part.get_sizes()[0] == 85)


def labelled(axes, label):
    return next(part for part in axes.collections if str(part.get_label()).startswith(label))


def test_points_lie_at_the_shares_of_the_tasks_with_the_mean_as_colour(trials):
    axes = loss_weight_simplex(trials)
    assert shares(axes, points(axes)) == pytest.approx(np.array([(0.01, 0.1, 0.89), (1 / 3,) * 3, (0.5, 0.25, 0.25)]))
    assert points(axes).get_array().tolist() == pytest.approx([0.41, 0.51, 0.61])
    assert points(axes).colorbar.ax.get_ylabel() == "validation MOTA, mean over seeds"
    labels = [axes.get_tlabel(), axes.get_llabel(), axes.get_rlabel()]
    assert labels == ["share of cls", "share of reg", "share of reid"]


def test_the_best_and_the_plain_sum_are_marked(trials):
    axes = loss_weight_simplex(trials)
    assert legend(axes) == ["plain sum (1, 1, 1)", "best under 2 seeds: 0.610\ncls=2 reg=1 reid=1"]
    assert shares(axes, labelled(axes, "best")) == pytest.approx(np.array([(0.5, 0.25, 0.25)]))
    (ring,) = (line for line in axes.lines if line.get_marker() == "D")
    assert axes.transProjection.inverted().transform(ring.get_xydata()) == pytest.approx(np.full((1, 3), 1 / 3))


def test_the_star_is_of_the_metric_that_is_shown(trials):
    trials["test_mota"] = -trials["test_mota"]
    axes = loss_weight_simplex(trials, "test_mota")
    assert points(axes).colorbar.ax.get_ylabel() == "test MOTA, mean over seeds"
    assert shares(axes, labelled(axes, "best")) == pytest.approx(np.array([(0.01, 0.1, 0.89)]))


def test_a_task_that_is_not_named_weighs_one(tmp_path):
    trials = write_outcomes(tmp_path, [(hwf.Config(loss_weights={"cls": 2}), (0.5,)), (hwf.Config(), (0.4,))])
    axes = loss_weight_simplex(trials)
    assert shares(axes, points(axes)) == pytest.approx(np.array([(1 / 3,) * 3, (0.5, 0.25, 0.25)]))


def test_failed_configurations_are_crosses_and_never_best(trials):
    best = trials["weighting.loss_weights.cls"] == 2
    trials.loc[best & (trials["seed"] == 0), ["status", "val_mota"]] = ["diverged", float("nan")]
    axes = loss_weight_simplex(trials)
    assert legend(axes)[1:] == ["best under 2 seeds: 0.510\ncls=1 reg=1 reid=1", "a seed failed,\nor has no figure (1)"]
    assert shares(axes, labelled(axes, "a seed failed")) == pytest.approx(np.array([(0.5, 0.25, 0.25)]))
    assert 0.62 in points(axes).get_array()  # what did complete is shown below the cross


def test_trials_that_were_stopped_early_are_small_rings(trials):
    trials.loc[trials["weighting.loss_weights.cls"] == 2, "status"] = "pruned"
    axes = loss_weight_simplex(trials)
    assert "stopped early (1)" in legend(axes)
    assert shares(axes, labelled(axes, "stopped")) == pytest.approx(np.array([(0.5, 0.25, 0.25)]))
    assert len(points(axes).get_offsets()) == 2


def test_where_nothing_completed_positions_are_shown_without_a_figure(trials):
    trials["status"] = "failed"
    axes = loss_weight_simplex(trials)
    assert texts(axes) == ["no configuration completed"]
    assert legend(axes) == ["plain sum (1, 1, 1)", "a seed failed,\nor has no figure (3)"]


def test_a_collapsed_configuration_does_not_flatten_the_others(tmp_path):
    outcomes = [(config((n, 1, 1)), (0.4 + n / 50,)) for n in (1, 2, 3, 4)]
    axes = loss_weight_simplex(write_outcomes(tmp_path, [*outcomes, (config((0, 0, 1)), (-2.8,))]))
    assert points(axes).get_clim() == pytest.approx((0.42, 0.48))
    assert points(axes).colorbar.extend == "min"


def test_equal_ratios_and_imported_trials_are_counted(trials):
    more = trials[trials["weighting.loss_weights.cls"] == 2].copy()
    more["configuration_id"], more["trial_id"] = "twice", more["trial_id"] + "twice"
    more["configuration"] = more["configuration"].str.replace('"cls": 2.0', '"cls": 4.0')
    more["configuration"] = more["configuration"].str.replace('"reg": 1.0, "reid": 1.0', '"reg": 2.0, "reid": 2.0')
    past = trials[:1].assign(imported_from="past.csv")
    axes = loss_weight_simplex(pd.concat([trials, more, past], ignore_index=True))
    told = "equal ratios: 1 of the configurations lie below others; imported trials, not shown: 1"
    assert texts(axes) == [told]


def test_other_numbers_of_tasks_have_no_triangle(trials):
    trials["configuration"] = trials["configuration"].str.replace('"name": "reid"', '"name": "cls"')
    axes = loss_weight_simplex(trials)
    assert texts(axes) == ["2 tasks (cls, reg): a triangle is for three"]


def test_configurations_with_different_tasks_share_no_triangle(trials):
    two = trials["weighting.loss_weights.cls"] == 2
    trials.loc[two, "configuration"] = trials["configuration"].str.replace('"name": "reid"', '"name": "cls"')
    assert texts(loss_weight_simplex(trials)) == ["not all configurations have the tasks cls, reg, reid"]


def test_without_hard_weights_nothing_is_drawn(tmp_path):
    trials = write_outcomes(tmp_path, [(lwf.Config(), (0.5,))])
    assert texts(loss_weight_simplex(trials)) == ["no trial has hard loss weights"]
    assert texts(loss_weight_simplex(trials[:0])) == ["no trials"]


def test_given_axes_are_drawn_into(trials):
    axes = Figure().add_subplot(projection="ternary")
    assert loss_weight_simplex(trials, axes=axes) is axes
    with pytest.raises(ValueError, match="projection 'ternary' expected, found Axes"):
        loss_weight_simplex(trials, axes=Figure().add_subplot())
