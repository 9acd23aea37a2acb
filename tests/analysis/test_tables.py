import numpy as np
import pytest
from outcomes import write_outcomes

from analysis import tables
from analysis.evidence import read_evidence
from study.results import ResultStore
from study.weighting import equal, famo, hwf, lwf


@pytest.fixture
def group(tmp_path):
    weights = [{"cls": 3, "reg": 1, "reid": 1}, {"cls": 4, "reg": 1, "reid": 1}]
    write_outcomes(
        tmp_path,
        [
            (equal.Config(), [0.50, 0.52]),
            *((hwf.Config(loss_weights=chosen), [0.4 + i / 5, 0.4 + i / 5]) for i, chosen in enumerate(weights)),
            (famo.Config(), [0.55, 0.57]),
            (lwf.Config(), [0.1, "diverged"]),
        ],
        device_seconds=100.0,
    )
    (group,) = read_evidence(tmp_path).groups()
    return group


def test_head_to_head_has_all_methods_and_marks_the_front(group):
    text = tables.head_to_head(group.table, "test").text().set_index("method")
    assert text.index.tolist() == ["hwf", "famo", "equal", "lwf"]
    assert text.loc["hwf", "chosen"] == "cls=4 reg=1 reid=1"
    assert text["device-seconds"].to_dict() == {"hwf": "400", "famo": "200", "equal": "200", "lwf": "200"}
    assert text["Pareto"].to_dict() == {"hwf": "yes", "famo": "yes", "equal": "", "lwf": ""}
    assert text.loc["equal", "val MOTA"] == "0.510 ± 0.014"
    assert text.loc["lwf", "val MOTA"] == "-"


def test_at_equal_cost_a_method_meets_what_the_search_had_found_by_then(group):
    rows = tables.equal_cost(group.methods, group.baseline).data.set_index("method")
    assert rows["search"].unique().tolist() == ["hwf"]
    assert rows.loc["equal", "search_mota"] == pytest.approx(0.5)
    assert rows.loc["equal", "difference"] == pytest.approx(0.01)
    assert rows.loc["famo", "reach_method"] == pytest.approx(400, rel=0.02)
    assert np.isnan(rows.loc["lwf", "val_mota"])
    assert np.isnan(rows.loc["lwf", "reach_method"])
    text = tables.equal_cost(group.methods, group.baseline).text().set_index("method")
    assert text.loc["lwf", "cost to reach it"] == "-"


def test_a_target_that_a_search_never_reaches_is_called_never(group, tmp_path):
    write_outcomes(tmp_path / "more", [(equal.Config(), [0.9]), (hwf.Config(loss_weights={"cls": 2}), [0.1]),
                                       (hwf.Config(loss_weights={"cls": 3}), [0.2])])  # fmt: skip
    (other,) = read_evidence(tmp_path / "more").groups()
    text = tables.equal_cost(other.methods, other.baseline).text()
    assert text["cost to reach the baseline"].tolist() == ["never"]
    assert tables.equal_cost(group.methods[:1], group.baseline) is None


def test_the_ledger_is_summed_by_what_time_went_into(group, tmp_path):
    store = ResultStore(tmp_path, "example")
    for name in group.own["trial_id"]:
        store.write_ledger({**entry(f"{name}-1", 50.0), "trial_id": name, "kind": "attempt"})
    store.write_ledger({**entry("idle", 30.0), "trial_id": None, "kind": "idle"})
    (line,) = tables.cost_ledger(group.own, group.evidence.ledger()).data.to_dict("records")
    assert line["trials"] == 10
    assert line["failed"] == 1
    assert line["idle_seconds"] == 60
    assert line["total"] == 10 * 100 + 60
    assert line["train_seconds"] == group.own["train_seconds"].sum()


def entry(name, held):
    from datetime import UTC, datetime

    seconds = {"startup_seconds": 0.0, "train_seconds": 0.0, "eval_seconds": 0.0}
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return {"entry_id": name, "devices": 2.0, "held_seconds": held, "started_at": begin, "status": "x", **seconds}


def test_failures_are_listed_with_what_became_of_them(group):
    trials = group.trials.copy()
    trials.loc[trials["weighting"] == "famo", ["weighting_status", "weighting_status_step"]] = ["one_task", 7.0]
    names = group.titles
    rows = tables.failures(trials, names).data
    assert rows["method"].value_counts().to_dict() == {"famo": 2, "lwf": 1}
    assert rows.loc[rows["method"] == "lwf", "status"].tolist() == ["diverged"]
    healthy = trials[trials["weighting"] == "equal"]
    assert tables.failures(healthy, names[healthy.index]) is None
