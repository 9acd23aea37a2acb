from pathlib import Path

import pytest
from outcomes import write_outcomes

from analysis.methods import find_methods
from analysis.paper import TABLE_I, TABLE_IV, TABLE_V, TABLE_VI, channels, hard_weights, layers, tracking_time
from study.results import load
from study.weighting import equal, hwf, lwf

ROWS = Path(__file__).parents[2] / "benchmarks" / "rows"


def test_their_figures_are_those_of_the_paper():
    """Sums over the columns of the published tables, taken by hand."""
    assert sum(row[2] for row in TABLE_I) == pytest.approx(4.472)
    assert sum(row[3] for row in TABLE_I) == pytest.approx(3.900)
    assert sum(row[1] for row in TABLE_I) == 120
    assert sum(row[1] for row in TABLE_IV) == pytest.approx(4.530)
    assert sum(row[5] for row in TABLE_IV) == 10897
    assert [row[1] for row in TABLE_V] == [0.762, 0.760, 0.748]
    assert TABLE_VI[1][1:] == (0.766, 51.85, 36_250_000, 16.79)


def test_hard_weights_stand_beside_ours_and_points_that_were_not_run_stay_empty():
    table = hard_weights(load(ROWS / "head_to_head_mot17"), "MOT17-09")
    text = table.text()
    assert text["α, β, γ"].tolist()[3] == "1, 1, 1"
    assert text["MOTA (theirs)"].tolist() == ["0.748", "0.743", "0.749", "0.731", "0.749", "0.752"]
    assert text["MOTA (ours)"].tolist() == ["-", "-", "-", "0.327 ± 0.006", "-", "0.358 ± 0.066"]
    assert text["seeds (ours)"].tolist() == ["0", "0", "0", "3", "0", "3"]
    assert "MOT17-09" in table.caption


def test_an_ablation_takes_runs_that_differ_in_nothing_else(tmp_path):
    rows = [(lwf.Config(channels=c), [0.1 * i]) for i, c in enumerate((4, 8, 16, 32))]
    rows += [(lwf.Config(channels=8, output="relu"), [0.9]), (lwf.Config(layers=2), ["diverged"])]
    trials = write_outcomes(tmp_path, rows)
    table = channels(trials, "tiny")
    assert table.data["val_mota"].tolist()[:4] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert table.data["seeds"].tolist() == [1, 1, 1, 1, 0, 0]
    assert "output=sigmoid" in table.caption
    by_layers = layers(trials, "tiny").data
    assert by_layers["seeds"].tolist() == [1, 1, 0]
    assert by_layers["val_mota"].isna().tolist() == [False, True, True]


def test_without_our_runs_there_is_no_table(tmp_path):
    trials = write_outcomes(tmp_path, [(equal.Config(), [0.5]), (hwf.Config(loss_weights={"cls": 3}), [0.5])])
    assert hard_weights(trials, "tiny") is None
    assert channels(trials, "tiny") is None
    assert tracking_time(find_methods(trials), load(ROWS / "head_to_head", "sequences"), "tiny") is None


def test_frames_per_second_are_those_of_all_evaluations():
    trials, sequences = load(ROWS / "head_to_head"), load(ROWS / "head_to_head", "sequences")
    table = tracking_time(find_methods(trials), sequences, "drawn").data
    ours = table.set_index("method")
    assert ours["fps"].tolist() == [15.64, 16.79]
    rows = {}
    for name in ("equal", "hwf"):  # of equal figures either may be taken
        chosen = trials[(trials["weighting"] == name) & (trials["val_mota"].isin(plain(trials)))]
        frames = sequences[sequences["trial_id"].isin(chosen["trial_id"])]["num_frames"].sum()
        rows[name] = frames / chosen["eval_seconds"].sum()
    assert any(ours.loc["baseline", "our_fps"] == pytest.approx(rate) for rate in rows.values())
    assert ours.loc["baseline", "our_parameters"] == 363978


def plain(trials):
    return trials.loc[trials["weighting"] == "equal", "val_mota"]
