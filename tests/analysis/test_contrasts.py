import numpy as np
import pandas as pd
import pytest
from outcomes import write_outcomes

from analysis.contrasts import COLUMNS, EVIDENCES, contrasts, find_baseline
from analysis.evidence import read_evidence
from analysis.methods import find_methods
from study.errors import UserError
from study.results import ResultStore, load
from study.weighting import equal, famo, gradnorm, hwf, lwf

PLAIN = (equal.Config(), [0.50, 0.52, 0.51, 0.49, 0.53])


def compared(trials, metric="test_mota", **options):
    methods = find_methods(trials)
    baseline = find_baseline(methods, options.pop("name", None))
    return contrasts(methods, baseline, metric, **options).set_index("method")


def test_a_claim_needs_a_difference_that_all_seeds_share(tmp_path):
    trials = write_outcomes(
        tmp_path,
        [
            PLAIN,
            (famo.Config(), [0.60, 0.63, 0.60, 0.57, 0.65]),
            (gradnorm.Config(), [0.60, 0.40, 0.61, 0.49, 0.53]),
            (lwf.Config(), [0.10, 0.12, 0.11, 0.09, 0.14]),
        ],
    )
    table = compared(trials)
    assert tuple(table.reset_index()[list(COLUMNS)].columns) == COLUMNS
    assert table["evidence"].to_dict() == {"famo": "better", "gradnorm": "undecided", "lwf": "worse"}
    famo_line = table.loc["famo"]
    assert famo_line["difference"] == pytest.approx(0.1)
    assert famo_line["low"] < 0.1 < famo_line["high"]
    assert famo_line["boot_low"] < 0.1 < famo_line["boot_high"]
    assert famo_line["low"] > 0
    assert famo_line["mean"] == pytest.approx(0.61 - 0.02)
    assert famo_line["baseline_mean"] == pytest.approx(0.51 - 0.02)
    assert famo_line["pairs"] == 5
    assert famo_line["probability"] == 1
    assert (table["p_holm"] >= table["p"]).all()
    assert set(table["evidence"]) <= set(EVIDENCES)
    assert table.index.tolist() == ["famo", "gradnorm", "lwf"]


def test_a_failed_seed_makes_no_mean_and_no_claim_and_counts_as_a_loss(tmp_path):
    trials = write_outcomes(tmp_path, [PLAIN, (famo.Config(), [0.60, "diverged", 0.61, 0.59, 0.64])])
    line = compared(trials).loc["famo"]
    assert line["evidence"] == "incomplete"
    assert (line["seeds"], line["failed"], line["pairs"]) == (5, 1, 0)
    assert line[["mean", "difference", "low", "high", "p"]].isna().all()
    assert line["probability"] == pytest.approx(0.8)
    assert line["iqm"] == pytest.approx(np.average([0.59, 0.60, 0.61], weights=[0.75, 1, 0.75]) - 0.02)


def test_a_baseline_that_failed_proves_nothing(tmp_path):
    trials = write_outcomes(tmp_path, [(equal.Config(), [0.5, "oom"]), (famo.Config(), [0.6, 0.6])])
    line = compared(trials).loc["famo"]
    assert line["evidence"] == "incomplete"
    assert np.isnan(line["difference"])
    assert line["mean"] == pytest.approx(0.58)


def test_one_seed_has_a_difference_and_nothing_else(tmp_path):
    line = compared(write_outcomes(tmp_path, [(equal.Config(), [0.5]), (famo.Config(), [0.6])])).loc["famo"]
    assert line["evidence"] == "one seed"
    assert line["difference"] == pytest.approx(0.1)
    assert line[["low", "high", "p", "boot_low"]].isna().all()
    assert line["seeds_needed"] is None


def test_the_search_that_finds_the_plain_sum_is_identical_to_it_at_the_price_of_the_search(tmp_path):
    weights = [{"cls": 1, "reg": 1, "reid": 1}, {"cls": 9, "reg": 1, "reid": 1}]
    rows = [(hwf.Config(loss_weights=chosen), [0.5 - i / 10, 0.52]) for i, chosen in enumerate(weights)]
    trials = write_outcomes(tmp_path, rows, device_seconds=100.0)
    methods = find_methods(trials)
    baseline = find_baseline(methods)
    assert baseline.name == "(1, 1, 1)"
    assert baseline.device_seconds == 200
    (line,) = contrasts(methods, baseline, "test_mota").to_dict("records")
    assert (line["evidence"], line["difference"], line["device_seconds"]) == ("identical", 0, 400)


def test_the_baseline_can_be_named_and_a_wrong_name_is_told(tmp_path):
    trials = write_outcomes(tmp_path, [PLAIN, (famo.Config(), [0.6] * 5), (lwf.Config(), [0.1] * 5)])
    table = compared(trials, name="famo")
    assert table.index.tolist() == ["equal", "lwf"]
    assert (table["difference"] < 0).all()
    with pytest.raises(UserError, match=r"--baseline nosuch: .*there are: equal, famo, lwf"):
        read_evidence(tmp_path).groups("nosuch")


def test_a_named_baseline_costs_what_its_search_did(tmp_path):
    rows = [(hwf.Config(loss_weights={"cls": 2 + i}), [0.5 + i / 10] * 2) for i in range(3)]
    methods = find_methods(write_outcomes(tmp_path, [*rows, (famo.Config(), [0.6, 0.6])], device_seconds=100.0))
    baseline = find_baseline(methods, "hwf")
    assert (baseline.device_seconds, baseline.searched) == (600, True)
    assert contrasts(methods, baseline, "val_mota")["method"].tolist() == ["famo"]


def test_weights_that_are_not_named_count_as_one(tmp_path):
    doubled = dict.fromkeys(("cls", "reg", "reid"), 2)
    trials = write_outcomes(tmp_path, [(hwf.Config(loss_weights={"cls": 2}), [0.6]), (famo.Config(), [0.6])])
    assert find_baseline(find_methods(trials)) is None
    trials = write_outcomes(tmp_path, [(hwf.Config(), [0.5]), (hwf.Config(loss_weights=doubled), ["oom"])])
    assert find_baseline(find_methods(trials)).name == "(1, 1, 1)"


def test_a_search_that_chose_more_than_the_weighting_is_not_compared(tmp_path):
    write_outcomes(tmp_path, [(equal.Config(), [0.5, 0.5])])
    point = {"train.epochs": 9}
    trials = write_outcomes(tmp_path, [(famo.Config(), [0.9, 0.9])], study="search", point=point)
    line = compared(trials).loc["search: famo"]
    assert line["evidence"] == "other settings"
    assert np.isnan(line["difference"])


def test_a_trial_that_lacks_the_figure_is_not_undecided(tmp_path):
    trials = write_outcomes(tmp_path, [PLAIN, (famo.Config(), [0.6] * 5)])
    trials.loc[(trials["weighting"] == "famo") & (trials["seed"] == 2), "test_mota"] = np.nan
    line = compared(trials).loc["famo"]
    assert line["evidence"] == "no figure"
    assert line[["difference", "low", "p"]].isna().all()


def test_a_trial_that_ran_in_two_studies_counts_once_in_each(tmp_path):
    write_outcomes(tmp_path, [PLAIN], study="one")
    trials = write_outcomes(tmp_path, [PLAIN, (famo.Config(), [0.6] * 5)], study="two")
    store = {name: ResultStore(tmp_path, name) for name in ("one", "two")}
    for _, row in trials.iterrows():
        single = pd.DataFrame([{**row, "trial_id": row["trial_id"]}])
        rows = pd.DataFrame(sequence_rows(single, [[50, 40]])).drop(columns="trial_id").to_dict("records")
        store[row["study"]].write_rows("sequences", row["trial_id"], rows)
    (group,) = read_evidence(tmp_path).groups()
    table = group.contrasts.set_index("method")
    assert table.loc["two: famo", "sequences"] == 2
    assert table["evidence"].value_counts().to_dict() == {"better": 1, "identical": 1}
    assert len(group.rows("sequences")) == 15 * 2


def test_without_the_plain_sum_there_is_no_baseline(tmp_path):
    assert find_baseline(find_methods(write_outcomes(tmp_path, [(famo.Config(), [0.6])]))) is None


def test_imported_rows_are_not_compared(tmp_path):
    trials = write_outcomes(tmp_path, [PLAIN, (famo.Config(), [0.6] * 5)])
    trials.loc[trials["weighting"] == "famo", "imported_from"] = "past.csv"
    assert compared(trials).empty


def sequence_rows(trials, errors):
    """Rows of `sequences` of 100 objects each, with so many misses."""
    rows = []
    for (_, trial), misses in zip(trials.iterrows(), errors, strict=True):
        for number, fn in enumerate(misses):
            counts = {"fn": fn, "fp": 0, "idsw": 0, "mota": 1 - fn / 100, "idr": 1 - fn / 100, "idf1": 0.5}
            name = {"trial_id": trial["trial_id"], "split": "test", "sequence": f"s{number}", "epoch": 4}
            rows.append({**name, "num_frames": 10, **counts})
    return rows


def test_over_seeds_and_sequences_the_interval_holds_what_sequences_do_to_the_difference(tmp_path):
    trials = write_outcomes(tmp_path, [PLAIN, (famo.Config(), [0.6] * 5)])
    draws = np.random.default_rng(3)
    errors = {"equal": draws.integers(40, 60, (5, 6)), "famo": draws.integers(30, 50, (5, 6))}
    store = ResultStore(tmp_path, "example")
    for kind, misses in errors.items():
        mine = trials[trials["weighting"] == kind].sort_values("seed")
        for trial_id, rows in pd.DataFrame(sequence_rows(mine, misses)).groupby("trial_id"):
            store.write_rows("sequences", trial_id, rows.drop(columns="trial_id").to_dict("records"))
        means = dict(zip(mine["seed"], 1 - misses.mean(axis=1) / 100, strict=True))
        trials.loc[mine.index, "test_mota"] = mine["seed"].map(means)
    line = compared(trials, sequences=load(tmp_path, "sequences")).loc["famo"]
    assert line["sequences"] == 6
    expected = (errors["equal"].mean() - errors["famo"].mean()) / 100
    assert line["difference"] == pytest.approx(expected)
    assert line["crossed_low"] < expected < line["crossed_high"]
    assert compared(trials, "test_hota", sequences=load(tmp_path, "sequences")).loc["famo", "sequences"] == 0
