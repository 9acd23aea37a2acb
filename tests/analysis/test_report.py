import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from outcomes import write_outcomes

from analysis.evidence import read_evidence
from analysis.report import main
from study.claim import claimed
from study.results import LAST, ResultStore
from study.weighting import equal, famo, hwf, lwf

ROWS = Path(__file__).parents[2] / "benchmarks" / "rows"
PLAIN = (equal.Config(), [0.50, 0.52, 0.51])


@pytest.fixture
def report(tmp_path, capsys):
    """Runs the command; returns exit code, what was printed, errors and the page."""

    def run(*arguments):
        page = tmp_path / "out" / "report.html"
        page.unlink(missing_ok=True)
        code = main([*map(str, arguments), "-o", str(page)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err, page.read_text() if page.exists() else ""

    return run


def headings(page: str) -> list[str]:
    return re.findall(r"<h[23]>(.*?)</h[23]>", page)


def test_a_real_study_gives_a_whole_page_that_needs_no_network(report, tmp_path):
    code, out, _, page = report(ROWS / "head_to_head_mot17", "--files", tmp_path / "parts")
    assert code == 0
    assert out.startswith("No method is shown to beat (1, 1, 1) on these data, with 3 seeds")
    assert headings(page) == [
        "Verdict: head_to_head_mot17",
        "Cost against accuracy",
        "Against (1, 1, 1)",
        "What a search finds for its cost",
        "Loss weights",
        "Task losses",
        "Sequence by sequence",
        "Beside the paper&#39;s tables",
        "How sure the order is",
        "Failures and collapses",
        "Where the time went",
        "Protocol, provenance, reproduction",
    ]
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    methods = {"uncertainty", "hwf", "lwf_barrier", "gradnorm", "lwf output=relu", "lwf output=sigmoid"}
    assert all(f">{name}</td>" in page for name in methods)
    files = {path.name for path in (tmp_path / "parts").iterdir()}
    assert {
        "cost_vs_metrics.png",
        "head_to_head.csv",
        "head_to_head.md",
        "head_to_head.tex",
        "lwf_table_i.tex",
        "differences.png",
        "differences.csv",
    } <= files
    assert not any("_2." in name for name in files)
    assert not any(name.endswith(".tmp") for name in files)


def test_a_study_that_runs_is_called_partial(report, tmp_path):
    write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.6, 0.6, 0.6])])
    store = ResultStore(tmp_path / "results", "example")
    with claimed(store) as claim:
        claim.tell({"total": 9}, dict)
        code, out, _, page = report(tmp_path / "results")
    assert code == 0
    assert "Partial: the study example runs now; 6 of 9 trials are done" in out
    assert "Partial: the study example runs now; 6 of 9 trials are done" in page
    _, out, _, _ = report(tmp_path / "results" / "example")
    assert "Partial: the study example is not finished, and does not run; 6 of 9" in out
    driver = tmp_path / "results" / "example" / "driver.json"
    driver.write_text(json.dumps(json.loads(driver.read_text()) | {"total": 6}))
    assert "Partial" not in report(tmp_path / "results")[3]


def test_a_study_with_paused_trials_is_partial(report, tmp_path):
    trials = write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.6, 0.6, "pruned"])])
    assert "Partial" not in report(tmp_path / "results")[3]
    paused = trials.loc[trials["status"] == "pruned", "trial_id"].item()
    ResultStore(tmp_path / "results", "example").write_checkpoint(paused, LAST, b"weights")
    page = report(tmp_path / "results")[3]
    assert "Partial: the study example is not finished, and does not run; 5 trials are done, 1 paused, and" in page


def test_several_studies_are_compared_where_conditions_are_equal_and_kept_apart_where_not(report, tmp_path):
    write_outcomes(tmp_path / "results", [PLAIN], study="plain")
    write_outcomes(tmp_path / "results", [(famo.Config(), [0.6, 0.6, 0.6])], study="learned")
    write_outcomes(tmp_path / "results", [PLAIN], study="longer", point={"train.epochs": 9})
    code, out, _, page = report(tmp_path / "results")
    assert code == 0
    assert [title for title in headings(page) if title.startswith(("Verdict", "Conditions"))] == [
        "Conditions",
        "Verdict: learned, plain",
        "Verdict: longer",
    ]
    assert "learned: famo" in page
    assert "Nothing to compare: (1, 1, 1) is the only method" in out
    code, out, _, page = report(tmp_path / "results", "--study", "longer")
    assert [title for title in headings(page) if title.startswith("Verdict")] == ["Verdict: longer"]


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([(equal.Config(), [0.5]), (famo.Config(), [0.6])], "Too little evidence: one seed has no interval"),
        ([PLAIN], "Nothing to compare: (1, 1, 1) is the only method"),
        ([(famo.Config(), [0.5, 0.6])], "No claim: these rows hold no plain sum of losses"),
        ([(equal.Config(), ["failed"]), (lwf.Config(), ["diverged", "oom"])], "Nothing can be said"),
        ([(hwf.Config(loss_weights={"cls": 2}), ["pruned", 0.5])], "Nothing can be said"),
    ],
)
def test_too_little_evidence_gives_an_honest_page(report, tmp_path, outcomes, said):
    write_outcomes(tmp_path / "results", outcomes)
    code, out, err, page = report(tmp_path / "results")
    assert (code, err) == (0, "")
    assert out.startswith(said)
    assert said in page
    assert not re.search(r"\b(nan|inf|None)\b", re.sub(r'data:[^"]*', "", page.split("Protocol, provenance")[1]))


def test_results_without_steps_epochs_sequences_and_ledger_still_give_a_page(report, tmp_path):
    write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.6, 0.6, 0.6])])
    for table in ("steps", "epochs", "sequences", "ledger"):
        shutil.rmtree(tmp_path / "results" / "example" / table)
    code, _, err, page = report(tmp_path / "results")
    assert (code, err) == (0, "")
    assert "Against (1, 1, 1)" in headings(page)
    assert "Loss weights" not in headings(page)


def test_imported_rows_are_listed_and_left_out_of_comparisons(report, tmp_path):
    trials = write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.9, 0.9, 0.9])])
    store = ResultStore(tmp_path / "results", "example")
    for name in trials.loc[trials["weighting"] == "famo", "trial_id"]:
        store.write_trial({**store.trial(name), "imported_from": "past.csv"})
    _, out, _, page = report(tmp_path / "results")
    assert "famo (imported)" in page
    assert "3 trials were imported" in page
    assert "Nothing to compare" in out


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:100])


def damage_column(path):
    pq.write_table(pq.read_table(path).drop_columns(["val_mota"]), path)


def damage_version(path):
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"2"}), path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_truncate, "not a readable Parquet file ("),
        (damage_column, "lacks val_mota of the columns of 'trials'"),
        (damage_version, "schema version 2, expected 3; 'python -m study.run migrate"),
    ],
)
def test_damaged_rows_are_told_in_one_line(report, tmp_path, damage, said):
    write_outcomes(tmp_path / "results", [PLAIN])
    damage(next((tmp_path / "results" / "example" / "trials").iterdir()))
    code, out, err, page = report(tmp_path / "results")
    assert (code, out, page) == (2, "", "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1


def test_mistakes_of_the_user_are_told_in_one_line(report, tmp_path):
    (tmp_path / "empty").mkdir()
    ResultStore(tmp_path / "unstarted", "example")
    write_outcomes(tmp_path / "results", [PLAIN])
    for arguments, said in (
        ([tmp_path / "empty"], "no trials here"),
        ([tmp_path / "nowhere"], "nowhere"),
        ([tmp_path / "unstarted"], "no trial has a row yet"),
        ([tmp_path / "results", "--study", "other"], "no rows of a study 'other'; there are: example"),
        (
            [tmp_path / "results", "--baseline", "other"],
            "--baseline other: no such method in these rows; there are: equal",
        ),
        ([], "the following arguments are required: RESULTS"),
    ):
        code, _, err, page = report(*arguments)
        assert (code, page) == (2, "")
        assert said in err
        assert err.count("\n") == 1


def test_parts_of_several_conditions_do_not_replace_each_other(report, tmp_path):
    write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.6, 0.6, 0.6])], study="short")
    write_outcomes(tmp_path / "results", [(equal.Config(), [0.5])], study="longer", point={"train.epochs": 9})
    report(tmp_path / "results", "--files", tmp_path / "parts")
    first, second = (pd.read_csv(tmp_path / "parts" / f"head_to_head{n}.csv") for n in ("", "_2"))
    assert first["method"].tolist() == ["famo", "equal"]
    assert second["method"].tolist() == ["equal"]


def test_a_seed_that_failed_leaves_holes_in_the_map_of_sequences(tmp_path, report):
    trials = write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.6, "diverged", 0.6])])
    store = ResultStore(tmp_path / "results", "example")
    for _, row in trials.iterrows():
        for epoch in (2, 4):
            line = {
                "epoch": epoch,
                "split": "test",
                "sequence": "a",
                "num_frames": 5,
                "mota": 0.5,
                "fn": 5,
                "fp": 0,
                "idsw": 0,
            }
            if row["status"] == "completed":
                store.write_rows("sequences", row["trial_id"], [line])
    (group,) = read_evidence(tmp_path / "results").groups()
    assert set(group.rows("sequences")["method"]) == {"equal", "famo"}
    assert "Hatched: a seed of the method did not complete." in report(tmp_path / "results")[3]


def test_different_hardware_is_warned_of(report, tmp_path):
    trials = write_outcomes(tmp_path / "results", [PLAIN, (famo.Config(), [0.6, 0.6, 0.6])])
    store = ResultStore(tmp_path / "results", "example")
    for name, device in zip(trials["trial_id"], ["one core", "an H100"] * 3, strict=True):
        store.write_trial({**store.trial(name), "device_name": device})
    assert "Trials ran on different devices (one core, an H100)" in report(tmp_path / "results")[1].replace(
        "(an H100, one core)", "(one core, an H100)"
    )


def test_a_page_that_cannot_be_written_is_told(tmp_path, capsys):
    write_outcomes(tmp_path / "results", [PLAIN])
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "results"), "-o", str(tmp_path / "file" / "report.html")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_text_from_rows_cannot_become_markup(report, tmp_path):
    trials = write_outcomes(tmp_path / "results", [PLAIN, (lwf.Config(), ["failed"])])
    store = ResultStore(tmp_path / "results", "example")
    name = trials.loc[trials["status"] == "failed", "trial_id"].iloc[0]
    store.write_trial({**store.trial(name), "error": "<script>alert(1)</script>"})
    page = report(tmp_path / "results")[3]
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
