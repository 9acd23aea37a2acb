import pytest
import torch

from study.errors import UserError
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


def test_unknown_task_is_the_users_mistake():
    with pytest.raises(UserError, match=r"weighting\.loss_weights: no task 'redi'.*did you mean 'reid'"):
        hwf.Config(loss_weights={"redi": 1}).build(("cls", "reg", "reid"))
