import math

import pytest
import torch

from study.errors import UserError
from study.frozen import validate
from study.weighting import hwf


@pytest.mark.parametrize("tasks", [("cls", "reg"), ("cls", "reg", "reid"), tuple("abcdefgh")])
def test_total_and_its_gradient_are_the_weighted_sum(tasks):
    loss_weights = {task: 0.5 + i for i, task in enumerate(tasks)}
    weighting = hwf.Config(loss_weights=loss_weights).build(tasks)
    losses = torch.arange(1.0, len(tasks) + 1, requires_grad=True)
    total, effective = weighting(losses)
    total.backward()
    assert total.item() == pytest.approx(sum((0.5 + i) * (i + 1) for i in range(len(tasks))))
    assert losses.grad.tolist() == effective.tolist() == list(loss_weights.values())


def test_unnamed_tasks_weigh_one_and_nothing_is_trained():
    weighting = hwf.Config(loss_weights={"reg": 0.25}).build(("cls", "reg", "reid"))
    assert weighting(torch.ones(3))[1].tolist() == [1, 0.25, 1]
    assert list(weighting.parameters()) == []


@pytest.mark.parametrize(
    ("loss_weights", "message"),
    [
        ({"cls": -1}, r"loss_weights\.cls: .*greater than or equal to 0, found -1"),
        ({"cls": math.nan}, r"loss_weights\.cls: .*finite number, found nan"),
        ({"cls": math.inf}, r"loss_weights\.cls: .*finite number, found inf"),
        ([1, 2], r"loss_weights: .*valid dictionary, found \[1, 2\]"),
    ],
)
def test_loss_weights_that_are_none_are_refused(loss_weights, message):
    with pytest.raises(UserError, match=message):
        validate(hwf.Config, {"loss_weights": loss_weights}, "weighting")


def test_all_loss_weights_zero_are_refused():
    zeros = hwf.Config(loss_weights={"cls": 0, "reg": 0})
    with pytest.raises(UserError, match=r"every task weighs 0"):
        zeros.build(("cls", "reg"))
    assert zeros.build(("cls", "reg", "reid")).loss_weights.tolist() == [0, 0, 1]


def test_unknown_task_is_the_users_mistake():
    with pytest.raises(UserError, match=r"weighting\.loss_weights: no task 'redi'.*did you mean 'reid'"):
        hwf.Config(loss_weights={"redi": 1}).build(("cls", "reg", "reid"))
