import pytest
from outcomes import write_outcomes

from analysis.compare import main, paired, why_not
from study.results import load
from study.weighting import equal, famo, lwf


@pytest.fixture
def folder(tmp_path):
    write_outcomes(tmp_path, [(equal.Config(), [0.5, 0.6, 0.5]), (famo.Config(), [0.5, 0.6, 0.7])], study="before")
    write_outcomes(
        tmp_path,
        [(equal.Config(), [0.6, 0.7, 0.61]), (lwf.Config(), [0.1, 0.1, 0.1])],
        study="after",
        device_seconds=200.0,
    )
    return tmp_path


def test_methods_of_both_studies_are_paired_seed_by_seed(folder, capsys):
    table = paired(load(folder / "before"), load(folder / "after"))
    (line,) = table.data.to_dict("records")
    assert line["method"] == "equal"
    assert line["difference"] == pytest.approx((0.1 + 0.1 + 0.11) / 3)
    assert line["low"] < line["difference"] < line["high"]
    assert line["pairs"] == 3
    assert (line["cost_a"], line["device_seconds"]) == (300, 600)
    assert main([str(folder / "before"), str(folder / "after")]) == 0
    out = capsys.readouterr().out
    assert "before (A): 2 methods, 6 trials" in out
    assert "+0.103" in out
    assert main(["before", "after", "--results", str(folder)]) == 0


def test_studies_under_other_conditions_are_not_compared_and_the_difference_is_named(folder, capsys):
    write_outcomes(folder, [(equal.Config(), [0.5])], study="longer", point={"train.epochs": 9})
    write_outcomes(folder, [(equal.Config(), [0.5])], study="elsewhere", data_hash="fedcba9876543210")
    before = load(folder / "before")
    assert why_not(before, load(folder / "longer")) == "train.epochs 4 against 9"
    assert why_not(before, load(folder / "elsewhere")) == "data 0123456789abcdef against fedcba9876543210"
    assert why_not(before, load(folder / "after")) is None
    assert main(["before", "longer", "--results", str(folder)]) == 0
    assert "not comparable: train.epochs 4 against 9" in capsys.readouterr().out


def test_the_same_study_twice_does_not_differ(folder):
    before = load(folder / "before")
    assert paired(before, before).data["difference"].tolist() == [0, 0]


def test_nothing_in_common_is_said(folder, capsys):
    write_outcomes(folder, [(lwf.Config(lr=0.5), [0.1])], study="other")
    assert main(["before", "other", "--results", str(folder)]) == 0
    assert "no method is in both" in capsys.readouterr().out


def test_an_unknown_study_is_the_users_mistake(folder, capsys):
    for arguments in (["before", "nosuch"], ["nosuch", "before"], ["before"]):
        assert main([*arguments, "--results", str(folder)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
