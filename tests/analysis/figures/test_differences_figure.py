import pytest
from outcomes import write_outcomes

from analysis.evidence import read_evidence
from analysis.figures.differences import differences
from study.weighting import dwa, equal, famo, gradnorm, lwf


@pytest.fixture
def contrasts(tmp_path):
    write_outcomes(
        tmp_path,
        [
            (equal.Config(), [0.50, 0.52, 0.51, 0.49, 0.53]),
            (famo.Config(), [0.60, 0.62, 0.61, 0.59, 0.64]),
            (gradnorm.Config(), [0.40, "oom", 0.61, 0.49, 0.53]),
            (dwa.Config(), [0.49, 0.53, 0.52, 0.50, 0.52]),
            (lwf.Config(), [-5.0, -5.1, -5.2, -5.0, -5.1]),
        ],
    )
    (group,) = read_evidence(tmp_path).groups()
    return group.contrasts


def test_each_method_has_a_line_with_what_is_known_of_it(contrasts):
    axes = differences(contrasts, "(1, 1, 1)", "test MOTA")
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[0] == "famo (lr=0.025), 5 seeds"
    assert any(label.startswith("gradnorm") and label.endswith("5 seeds, 1 failed") for label in labels)
    dots = {line.get_ydata()[0]: line for line in axes.lines if line.get_marker() == "o"}
    places = {label.partition(",")[0].partition(" ")[0]: i for i, label in enumerate(labels)}
    assert dots[places["famo"]].get_xdata()[0] == pytest.approx(0.102)
    assert places["gradnorm"] not in dots
    assert places["lwf"] not in dots
    (arrow,) = (line for line in axes.lines if line.get_marker() == "<")
    assert arrow.get_ydata()[0] == places["lwf"]
    told = [text.get_text().strip() for text in axes.texts]
    assert sorted(told) == ["-5.590", "not completed under every seed: no mean"]
    assert axes.get_xlabel().startswith("test MOTA less that of (1, 1, 1)")


def test_claims_have_a_colour_and_the_rest_is_grey(contrasts):
    axes = differences(contrasts, "(1, 1, 1)", "test MOTA")
    colours = {line.get_ydata()[0]: line.get_color() for line in axes.lines if line.get_marker() in ("o", "<")}
    evidence = dict(enumerate(contrasts["evidence"]))
    blue, grey = colours[0], colours[list(evidence.values()).index("undecided")]
    assert evidence[0] == "better"
    assert blue[2] > blue[0]
    assert len(set(grey)) == 1
    worse = colours[list(evidence.values()).index("worse")]
    assert worse[0] > worse[2]


def test_bars_are_the_intervals(contrasts):
    axes = differences(contrasts, "(1, 1, 1)", "test MOTA")
    bars = {line.get_ydata()[0]: line.get_xdata() for line in axes.lines if line.get_linewidth() == 3}
    assert bars[0] == pytest.approx(contrasts.loc[0, ["low", "high"]].to_list())


def test_nothing_to_compare_is_said(contrasts):
    axes = differences(contrasts.iloc[:0], "(1, 1, 1)", "test MOTA")
    assert axes.texts[0].get_text() == "nothing to hold against (1, 1, 1)"
