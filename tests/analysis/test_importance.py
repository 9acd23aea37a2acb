import json

import numpy as np
from outcomes import write_outcomes

from analysis.importance import importance
from analysis.methods import find_methods
from study.weighting import hwf, lwf


def weights(cls, reg):
    return hwf.Config(loss_weights={"cls": cls, "reg": reg})


def test_the_setting_that_decides_the_figure_is_the_important_one(tmp_path):
    draws = np.random.default_rng(0)
    points = 10 ** draws.uniform(-1, 1, (40, 2))
    rows = [(weights(cls, reg), [0.5 + 0.2 * np.log10(reg) + 0.01 * draws.normal()]) for cls, reg in points]
    (method,) = find_methods(write_outcomes(tmp_path, rows))
    table = importance(method).set_index("setting")
    assert set(table.index) == {"weighting.loss_weights.cls", "weighting.loss_weights.reg"}
    reg = table.loc["weighting.loss_weights.reg"]
    assert reg["fanova"] > 0.9
    assert reg["ped_anova"] > 0.7
    assert reg["configurations"] == 40
    assert table["fanova"].sum() == 1
    assert importance(method).equals(importance(method))


def test_a_search_is_judged_by_what_it_suggested_failed_trials_left_out(tmp_path):
    rows = [(lwf.Config(lr=10 ** (-4 + i / 10)), [0.1 * i if i else "diverged"]) for i in range(12)]
    trials = write_outcomes(tmp_path, rows)
    trials["suggested"] = [
        json.dumps({"weighting.lr": lr, "kind": kind})
        for lr, kind in zip(trials["weighting.lr"], ["a", "b"] * 6, strict=True)
    ]
    (method,) = find_methods(trials)
    table = importance(method)
    assert table["setting"].tolist() == ["weighting.lr", "kind"]
    assert set(table["configurations"]) == {11}


def test_few_or_equal_figures_say_nothing(tmp_path):
    few = write_outcomes(tmp_path / "few", [(weights(1 + i, 1), [0.1 * i]) for i in range(9)])
    same = write_outcomes(tmp_path / "same", [(weights(1 + i, 1), [0.5]) for i in range(12)])
    for trials in (few, same):
        assert importance(find_methods(trials)[0]).empty
