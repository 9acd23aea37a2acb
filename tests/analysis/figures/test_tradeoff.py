import itertools

import pytest
from matplotlib.text import Text
from outcomes import write_outcomes

from analysis.evidence import read_evidence
from analysis.figures.tradeoff import cost_vs_metrics
from study.weighting import equal, famo, gradnorm, hwf, lwf


@pytest.fixture
def group(tmp_path):
    weights = [{"cls": 3, "reg": 1, "reid": 1}, {"cls": 4, "reg": 1, "reid": 1}]
    write_outcomes(
        tmp_path,
        [
            (equal.Config(), [0.50, 0.52, 0.54]),
            (famo.Config(), [0.60, 0.62, 0.61]),
            *((hwf.Config(loss_weights=chosen), [0.55, 0.56, 0.57]) for chosen in weights),
            (gradnorm.Config(), [0.4, "diverged", 0.4]),
            (lwf.Config(), [-2.0, -2.5, -3.0]),
        ],
        device_seconds=100.0,
    )
    (group,) = read_evidence(tmp_path).groups()
    return group


def test_a_point_a_method_at_the_cost_of_its_search_and_a_front_of_what_is_not_dominated(group):
    figure = cost_vs_metrics(group.table, "test")
    assert [axes.get_title() for axes in figure.axes] == ["test MOTA", "test IDF1", "test HOTA"]
    mota = figure.axes[0]
    points = {line.get_label(): line.get_xydata()[0] for line in mota.lines if not line.get_label().startswith("_")}
    assert set(points) == {"equal", "famo", "hwf", "lwf"}
    assert points["equal"] == pytest.approx([300, 0.50])
    assert points["hwf"] == pytest.approx([600, 0.54])
    front = next(line for line in mota.lines if line.get_drawstyle() == "steps-post")
    assert front.get_xydata().ravel().tolist() == pytest.approx([300, 0.59])
    (interval,) = (path for path in mota.collections if path.get_segments()[0][0][0] == 600)
    low, high = interval.get_segments()[0][:, 1]
    assert (low + high) / 2 == pytest.approx(0.54)
    assert high - low == pytest.approx(2 * 4.303 * 0.01 / 3**0.5, rel=1e-3)


def test_names_on_the_front_do_not_cover_each_other(group):
    names = {
        "equal": "a long name of a study: equal",
        "hwf": "another long name of a study: hwf",
        "famo": "third: famo",
    }
    table = group.table.replace({"method": names})
    for i, name in enumerate(names.values()):
        here = table["method"] == name
        table.loc[here, "device_seconds"], table.loc[here, "test_mota"] = 300 + 20 * i, 0.55 + 0.001 * i
    figure = cost_vs_metrics(table, "test")
    figure.draw_without_rendering()
    mota = figure.axes[0]
    boxes = [Text.get_window_extent(text) for text in mota.texts if text.get_text() in names.values()]
    assert len(boxes) == 3
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_what_is_far_below_is_told_and_what_has_no_figure_is_named(group):
    figure = cost_vs_metrics(group.table, "test")
    mota = figure.axes[0]
    assert mota.get_ylim()[0] > 0
    assert any("lwf -2.52" in text.get_text() for text in mota.texts)
    (far,) = (line for line in mota.lines if line.get_label() == "lwf")
    assert far.get_marker() == "v"
    assert "without figures: gradnorm" in figure.get_suptitle()


def test_nothing_completed_is_said(group):
    table = group.table.assign(**{f"test_{name}": float("nan") for name in ("mota", "idf1", "hota")})
    figure = cost_vs_metrics(table, "test")
    assert all(axes.texts[0].get_text() == "no method completed under every seed" for axes in figure.axes)


def test_costs_far_apart_are_on_a_logarithmic_axis(group):
    table = group.table.copy()
    assert figure_scale(table) == "linear"
    table.loc[table["method"] == "famo", "device_seconds"] = 5000.0
    assert figure_scale(table) == "log"


def figure_scale(table) -> str:
    return cost_vs_metrics(table, "test").axes[0].get_xscale()
