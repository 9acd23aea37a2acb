"""Ray Tune's schedulers as rules on epochs, without Ray."""

import pytest

from study.execute.stopping import TuneRule
from study.search.promotion import Earlier
from study.search_config import ASHA, Median

EPOCHS = 4


def epochs_of(stopping, values, first=0):
    """How many epochs trials run, one after the other, whose metric is the same after every epoch."""
    rule = TuneRule(stopping, EPOCHS)
    return [run(rule, str(number), stopping.metric, value) for number, value in enumerate(values, first)]


def run(rule, trial_id, metric, value):
    return next((epoch for epoch in range(1, EPOCHS + 1) if not rule.judge(trial_id, epoch, {metric: value})), EPOCHS)


def test_the_median_rule_needs_others_to_compare_with():
    values = [0.5, 0.6, 0.1, 0.7]
    assert epochs_of(Median(min_trials=2), values) == [4, 4, 1, 4]
    assert epochs_of(Median(min_trials=3), values) == [4, 4, 4, 4]
    assert epochs_of(Median(min_trials=2, grace_epochs=3), values) == [4, 4, 3, 4]


@pytest.mark.parametrize("stopping", [Median, ASHA])
def test_less_is_better_for_some_metrics(stopping):
    settings = {"min_trials": 2} if stopping is Median else {"reduction_factor": 2}
    more, less = (stopping(metric=metric, grace_epochs=1, **settings) for metric in ("val_mota", "val_fn"))
    values = [0.5, 0.6, 0.1, 0.7]
    assert epochs_of(less, values) == epochs_of(more, [-value for value in values])
    assert epochs_of(less, values) != epochs_of(more, values)


def test_nothing_is_stopped_after_the_last_epoch():
    rule = TuneRule(Median(min_trials=1), EPOCHS)
    assert run(rule, "a", "val_mota", 0.5) == EPOCHS
    assert not rule.judge("b", 1, {"val_mota": 0.1})
    assert rule.judge("c", EPOCHS, {"val_mota": 0.1})


@pytest.mark.parametrize("stopping", [Median(min_trials=2), ASHA(reduction_factor=2, promote=False)])
def test_what_was_stopped_stays_so_and_epochs_may_be_told_again(stopping):
    once, again = TuneRule(stopping, EPOCHS), TuneRule(stopping, EPOCHS)
    for trial_id, value in (("a", 0.5), ("b", 0.6), ("c", 0.1)):
        for epoch in range(1, EPOCHS):
            goes_on = once.judge(trial_id, epoch, {"val_mota": value})
            assert again.judge(trial_id, epoch, {"val_mota": value}) == goes_on
            for told in range(1, epoch + 1):  # as by another actor, which follows the trial from its first epoch
                assert again.judge(trial_id, told, {"val_mota": value}) == goes_on or told < epoch
            assert goes_on == (trial_id != "c")


@pytest.mark.parametrize("stopping", [Median(min_trials=2), ASHA(reduction_factor=2, promote=False)])
def test_after_a_restart_nothing_is_decided_about_epochs_that_have_passed(stopping):
    """A trial completed although it would have been stopped: the others had not come as far when it was judged."""
    rule = TuneRule(stopping, EPOCHS)
    for trial_id, value in (("a", 0.5), ("b", 0.6), ("late", 0.1)):
        rule.remember(Earlier(trial_id, {epoch: {"val_mota": value} for epoch in range(1, 5)}, 4, ended=True))
    assert run(rule, "worse", "val_mota", 0.05) == 1
    assert run(rule, "better", "val_mota", 0.7) == EPOCHS


@pytest.mark.parametrize("stopping", [Median(min_trials=2), ASHA(reduction_factor=2, promote=False)])
def test_what_broke_off_before_its_verdict_is_judged_by_its_next_figure(stopping):
    rule = TuneRule(stopping, EPOCHS)
    for trial_id, value in (("a", 0.5), ("b", 0.6)):
        rule.remember(Earlier(trial_id, {epoch: {"val_mota": value} for epoch in range(1, 5)}, 4, ended=True))
    rule.remember(Earlier("broke off", {1: {"val_mota": 0.1}}, 1, ended=False))
    rule.remember(Earlier("without a figure", {1: {"val_idf1": 0.1}}, 1, ended=True))
    assert rule.judge("broke off", 2, {})
    assert not rule.judge("broke off", 3, {"val_mota": 0.1})
