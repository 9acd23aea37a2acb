"""What a study varies, line by line: against the first configuration or a named one, paired by seed."""

import pytest
from outcomes import write_outcomes

from analysis.configurations import against, main
from analysis.statistics import holm, paired_p_value, t_interval
from study.results import load
from study.weighting import hwf

FIGURES = {"cls=1": [0.5, 0.6, 0.52], "cls=2": [0.4, 0.45, 0.43], "cls=3": [0.51, 0.59, 0.53]}


def weights(name: str) -> hwf.Config:
    task, _, weight = name.partition("=")
    return hwf.Config(loss_weights={task: float(weight)})


@pytest.fixture
def folder(tmp_path):
    write_outcomes(tmp_path, [(weights(name), figures) for name, figures in FIGURES.items()], study="some")
    return tmp_path


def test_configurations_are_held_against_the_first_seed_by_seed(folder):
    table = against(load(folder / "some"), ["test_mota", "test_idf1"])
    lines = {line["configuration"]: line for line in table.data.to_dict("records")}
    assert lines.keys() == FIGURES.keys()
    first, *others = lines
    assert str(lines[first]["difference"]) == str(lines[first]["p_holm"]) == "nan"
    differences = {
        name: [mine - theirs for mine, theirs in zip(FIGURES[name], FIGURES[first], strict=True)] for name in others
    }
    wanted = holm([paired_p_value(one) for one in differences.values()])
    for name, corrected in zip(others, wanted, strict=True):
        interval, line = t_interval(differences[name]), lines[name]
        found = (line["difference"], line["low"], line["high"], line["p_holm"])
        assert found == pytest.approx((interval.mean, interval.low, interval.high, corrected))
        assert line["seeds"] == 3
        assert line["test_mota"] == pytest.approx(sum(FIGURES[name]) / 3 - 0.02)


def test_the_baseline_can_be_named_and_a_failed_seed_leaves_no_figure(folder, capsys):
    write_outcomes(folder, [(weights("reg=1"), [0.5, 0.6]), (weights("reg=2"), [0.4, "diverged"])], study="f")
    table = against(load(folder / "f"), ["test_mota"], baseline="reg=1")
    lines = {line["configuration"]: line for line in table.data.to_dict("records")}
    assert lines["reg=2"]["failed"] == 1
    assert str(lines["reg=2"]["test_mota"]) == str(lines["reg=2"]["difference"]) == "nan"
    assert main(["some", "--results", str(folder), "--baseline", "cls=2"]) == 0
    out = capsys.readouterr().out
    assert "to 'cls=2', paired by seed" in out
    assert out.count("\n| ") == 3 + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["some", "--baseline", "cls"], "--baseline: 'cls' is in 3 of the configurations 'cls="),
        (["some", "--baseline", "lwf"], "--baseline: 'lwf' is in none of the configurations"),
        (["some", "--metrics", "test_moto"], "--metrics: no column 'test_moto'; did you mean"),
        (["none"], "none: neither a folder nor a study in"),
    ],
)
def test_mistakes_are_one_line(arguments, message, folder, capsys):
    assert main([*arguments, "--results", str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
