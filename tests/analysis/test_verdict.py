import pytest
from outcomes import write_outcomes

from analysis.contrasts import contrasts, find_baseline
from analysis.methods import find_methods
from analysis.verdict import judge
from study.weighting import equal, famo, gradnorm, hwf, lwf

PLAIN = (equal.Config(), [0.50, 0.52, 0.51, 0.49, 0.53])


@pytest.fixture
def verdict(tmp_path):
    def make(*outcomes, metric="test_mota", change=lambda trials: trials, **values):
        methods = find_methods(change(write_outcomes(tmp_path, outcomes, **values)))
        baseline = find_baseline(methods)
        table = None if baseline is None else contrasts(methods, baseline, metric)
        return judge(methods, baseline, table, metric)

    return make


def test_a_winner_is_named_with_its_interval_and_its_cost(verdict):
    found = verdict(
        PLAIN,
        (famo.Config(lr=0.1), [0.60, 0.62, 0.61, 0.59, 0.64]),
        (famo.Config(lr=0.2), [0.10, 0.12, 0.11, 0.09, 0.14]),
        (gradnorm.Config(), [0.60, 0.40, 0.61, 0.49, 0.53]),
        (lwf.Config(), [0.10, 0.12, 0.11, 0.09, 0.14]),
        device_seconds=100.0,
    )
    assert found.settled
    assert found.headline.startswith("On these data famo (lr=0.1) beats (1, 1, 1) by 0.102 test MOTA [")
    assert found.headline.endswith("at 2.0 times its cost.")
    assert "Worse than (1, 1, 1): lwf." in found.sentences
    assert "Cannot be told from (1, 1, 1): gradnorm." in found.sentences


def test_where_nothing_is_better_the_plain_sum_is_advised_and_the_search_is_priced(verdict):
    weights = [{"cls": 9, "reg": 1, "reid": 1}, {"cls": 5, "reg": 1, "reid": 1}]
    rows = [
        (hwf.Config(loss_weights=chosen), [0.51, 0.50, 0.52, 0.48, 0.54 - i / 10]) for i, chosen in enumerate(weights)
    ]
    found = verdict(PLAIN, *rows, device_seconds=100.0)
    assert found.headline.startswith("No method is shown to beat (1, 1, 1) on these data, with 5 seeds")
    assert "costs 500 device-seconds" in found.headline
    (search,) = (line for line in found.sentences if line.startswith("The search for hard weights"))
    assert "2 configurations of a grid" in search
    assert "cost 1,000 device-seconds, 2.0 times the baseline's; it chose cls=9 reg=1 reid=1: +0.000" in search


def test_one_seed_gives_no_claim_however_large_the_difference(verdict):
    found = verdict((equal.Config(), [0.2]), (famo.Config(), [0.9]))
    assert not found.settled
    assert found.headline.startswith(
        "Too little evidence: one seed has no interval. The highest test MOTA is 0.880, of famo"
    )
    assert any("no interval, and no claim" in line for line in found.sentences)


def test_failures_are_named_and_win_nothing(verdict):
    found = verdict(PLAIN, (famo.Config(), [0.90, "diverged", "oom", 0.9, 0.9]))
    assert "beats" not in found.headline
    text = " ".join(found.sentences)
    assert "Did not complete under every seed, and so have no mean: famo (1 diverged, 1 oom)." in text
    assert "2 of 10 trials did not complete; all are charged." in text


def test_collapses_are_counted(verdict):
    def collapse(trials):
        trials.loc[trials["weighting"] == "lwf", "weighting_status"] = "collapsed"
        return trials

    found = verdict(PLAIN, (lwf.Config(), [0.1, 0.1, 0.1, 0.1, 0.2]), change=collapse)
    assert "Loss weights vanished: lwf (5 of 5 trials)." in found.sentences


def test_a_baseline_under_other_seeds_than_those_that_judge_proves_nothing(verdict):
    def search(trials):
        """Two suggestions under seed 0, of which one ran again; the plain sum was another suggestion."""
        trials["suggested"] = "{}"
        return trials[(trials["seed"] == 0) | (trials["val_mota"] > 0.55)]

    weights = [{"cls": 1, "reg": 1, "reid": 1}, {"cls": 9, "reg": 1, "reid": 1}]
    rows = [(hwf.Config(loss_weights=chosen), [0.5 + i / 10] * 3) for i, chosen in enumerate(weights)]
    found = verdict(*rows, change=search)
    assert not found.settled
    assert found.headline.startswith("Too little evidence: (1, 1, 1) ran under no seed that the others are judged by")


def test_a_plain_sum_that_was_stopped_early_is_no_baseline(verdict):
    found = verdict((equal.Config(), ["pruned"]), (famo.Config(), [0.6, 0.7]))
    assert found.headline.startswith("No claim: these rows hold no plain sum of losses")


@pytest.mark.parametrize(
    ("outcomes", "headline"),
    [
        ([(equal.Config(), ["failed"]), (famo.Config(), ["oom"])], "Nothing can be said: no method completed"),
        (
            [(equal.Config(), ["failed", 0.5]), (famo.Config(), [0.5, 0.5])],
            "Nothing can be said: the baseline (1, 1, 1)",
        ),
        ([PLAIN], "Nothing to compare: (1, 1, 1) is the only method"),
        ([(famo.Config(), [0.5, 0.6])], "No claim: these rows hold no plain sum of losses"),
    ],
)
def test_too_little_is_said_to_be_too_little(verdict, outcomes, headline):
    found = verdict(*outcomes)
    assert found.headline.startswith(headline)
    assert not found.settled


def test_validation_figures_are_told_from_test_figures(verdict):
    found = verdict(PLAIN, (famo.Config(), [0.6] * 5), metric="val_mota", test_offset=None)
    assert "validation MOTA" in found.headline
    assert any("of the validation split, which also chose" in line for line in found.sentences)
