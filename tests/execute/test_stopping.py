"""Ray Tune's schedulers as rules on epochs, without Ray."""

import pytest

from study.execute.stopping import TuneRule
from study.search_config import ASHA, Median

EPOCHS = 4


def epochs_of(stopping, values, first=0):
    """How many epochs trials run, one after the other, whose metric is the same after every epoch."""
    rule = TuneRule(stopping, EPOCHS)
    return [run(rule, str(number), stopping.metric, value) for number, value in enumerate(values, first)]


def run(rule, trial_id, metric, value):
    return next((epoch for epoch in range(1, EPOCHS + 1) if not rule(trial_id, epoch, {metric: value})), EPOCHS)


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
    assert not rule("b", 1, {"val_mota": 0.1})
    assert rule("c", EPOCHS, {"val_mota": 0.1})
