import pytest
import torch

from study.errors import UserError
from study.weighting import hwf, hwf_schedule

TASKS = ("cls", "reg", "reid")
STAGES = ({"cls": 2.0}, {"reg": 0.5, "reid": 3.0}, {})


def weights_by_epoch(weighting, epochs):
    found = []
    for _ in range(epochs):
        total, loss_weights = weighting(losses := torch.tensor([1.0, 10.0, 100.0]))
        assert total.item() == pytest.approx((loss_weights * losses).sum().item())
        found.append(loss_weights.tolist())
        weighting.after_epoch()
    return found


@pytest.mark.parametrize("epochs_per_stage", [1, 2, 3])
def test_every_stage_lasts_so_many_epochs_and_the_last_one_for_ever(epochs_per_stage):
    weighting = hwf_schedule.Config(stages=STAGES, epochs_per_stage=epochs_per_stage).build(TASKS)
    expected = [[2, 1, 1]] * epochs_per_stage + [[1, 0.5, 3]] * epochs_per_stage + [[1, 1, 1]] * (2 * epochs_per_stage)
    assert weights_by_epoch(weighting, 4 * epochs_per_stage) == expected
    assert list(weighting.parameters()) == []


def test_one_stage_is_hwf():
    weighting = hwf_schedule.Config(stages=(STAGES[1],)).build(TASKS)
    (alike,) = {tuple(weights) for weights in weights_by_epoch(weighting, 5)}
    assert alike == tuple(hwf.Config(loss_weights=STAGES[1]).build(TASKS)(torch.ones(3))[1].tolist())


@pytest.mark.parametrize("epochs", range(5))
def test_a_longer_schedule_goes_on_from_the_state_of_a_shorter_one_that_it_begins_with(epochs):
    whole = hwf_schedule.Config(stages=STAGES, epochs_per_stage=2).build(TASKS)
    begun = hwf_schedule.Config(stages=STAGES[: max(1, (epochs + 1) // 2)], epochs_per_stage=2).build(TASKS)
    expected = weights_by_epoch(whole, 6)
    assert weights_by_epoch(begun, epochs) == expected[:epochs]
    after = hwf_schedule.Config(stages=STAGES, epochs_per_stage=2).build(TASKS)
    after.load_state_dict(begun.state_dict())
    assert weights_by_epoch(after, 6 - epochs) == expected[epochs:]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (({}, {"rge": 1.0}), r"weighting\.stages\[1\]: no task 'rge' in the objective; did you mean 'reg'"),
        (({"cls": 0.0, "reg": 0.0, "reid": 0.0},), r"weighting\.stages\[0\]: every task weighs 0"),
    ],
)
def test_mistakes_name_the_stage(stages, message):
    with pytest.raises(UserError, match=message):
        hwf_schedule.Config(stages=stages).build(TASKS)


@pytest.mark.parametrize("settings", [{"stages": ()}, {"stages": ({"cls": -1.0},)}, {"epochs_per_stage": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"stages|epochs_per_stage"):
        hwf_schedule.Config(**settings)
