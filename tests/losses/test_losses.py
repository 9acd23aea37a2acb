import math

import pytest
import torch

from study.errors import UserError
from study.losses import TaskLoss, classification, id_verification, regression
from study.losses.objectives import CLS_REG, CLS_REG_REID


def test_focal_closed_form():
    # At logit 0, p = 1/2: alpha (1/2)^2 log 2 for a positive, (1 - alpha) (1/2)^2 log 2 for a negative.
    unit = math.log(2) / 4
    loss = classification.Config().build()
    values = loss({"cls": torch.zeros(2, 4)}, {"cls": torch.tensor([[1, 0, 0, -1], [1, 1, 0, 0]])})
    assert values.tolist() == pytest.approx([(0.25 + 2 * 0.75) * unit, (2 * 0.25 + 2 * 0.75) * unit / 2])


def test_no_positives_divides_by_one():
    loss = id_verification.Config().build()
    values = loss({"reid": torch.zeros(1, 3)}, {"reid": torch.zeros(1, 3, dtype=torch.int64)})
    assert values.tolist() == pytest.approx([3 * 0.75 * math.log(2) / 4])


@pytest.mark.parametrize(("coordinates", "factor"), [("mean", 1 / 8), ("sum", 1.0)])
def test_smooth_l1_closed_form(coordinates, factor):
    # beta 1/9: 4.5 x^2 below 1/9, |x| - 1/18 above.
    predictions = {"reg": torch.zeros(1, 2, 8)}
    targets = {
        "reg": torch.tensor([[[0.1, 2.0, 0, 0, 0, 0, 0, 5.0], [9.0] * 8]]),
        "reg_mask": torch.tensor([[[True] * 4 + [False] * 4, [False] * 8]]),
        "cls": torch.tensor([[1, 0]]),
    }
    value = regression.Config(coordinates=coordinates).build()(predictions, targets)
    assert value.tolist() == pytest.approx([factor * (4.5 * 0.01 + 2 - 1 / 18)])


@pytest.mark.parametrize("config", CLS_REG_REID.task_losses, ids=lambda c: c.name)
def test_finite_with_gradient_on_saturated_predictions(config):
    logits = torch.tensor([[1e4, -1e4, 0.0, 50.0]], requires_grad=True)
    offsets = torch.full((1, 4, 8), 1e6, requires_grad=True)
    labels = torch.tensor([[0, 1, 1, 0]])
    loss = config.build()(
        {"cls": logits, "reid": logits, "reg": offsets},
        {"cls": labels, "reid": labels, "reg": torch.zeros(1, 4, 8), "reg_mask": torch.ones(1, 4, 8, dtype=torch.bool)},
    )
    loss.sum().backward()
    assert loss.isfinite().all()
    for leaf in (logits, offsets):
        assert leaf.grad is None or leaf.grad.isfinite().all()


def test_objectives_name_their_tasks():
    assert CLS_REG_REID.tasks == ("cls", "reg", "reid")
    assert CLS_REG.tasks == ("cls", "reg")


def indicator(config, predictions, targets):
    sums, counts = config.build().performance(predictions, targets)
    return (sums[counts > 0] / counts[counts > 0]).mean().item()


@pytest.mark.parametrize(("config", "name"), [(classification.Config(), "cls"), (id_verification.Config(), "reid")])
def test_performance_of_a_classifier_is_the_probability_of_the_right_side_with_sides_counted_alike(config, name):
    logits = torch.logit(torch.tensor([[0.9, 0.1, 0.1, 0.1, 0.5]]))
    assert indicator(config, {name: logits}, {name: torch.tensor([[1, 0, 0, 0, -1]])}) == pytest.approx(0.9)
    assert indicator(config, {name: logits}, {name: torch.tensor([[0, 1, 0, 0, -1]])}) == pytest.approx(
        (0.1 + (0.1 + 0.9 + 0.9) / 3) / 2
    )
    assert indicator(config, {name: logits}, {name: torch.tensor([[-1, 0, 0, 0, -1]])}) == pytest.approx(0.9)
    _, counts = config.build().performance({name: logits}, {name: torch.full((1, 5), -1)})
    assert counts.tolist() == [0, 0]


def test_performance_of_regression_is_the_overlap_of_the_boxes_that_count():
    anchors = torch.tensor([[0.0, 0, 10, 20], [50, 0, 60, 20]])
    wanted = torch.zeros(1, 2, 8)
    found = wanted.clone()
    found[0, 0, 0] = 5.0  # half an anchor's width to the side: 1/3 of the union
    found[0, 1] = 100.0
    mask = torch.tensor([[[True] * 8, [False] * 8]])
    predictions = {"reg": found, "anchors": anchors}
    targets = {"reg": wanted, "reg_mask": mask}
    assert indicator(regression.Config(), predictions, targets) == pytest.approx((1 / 3 + 1) / 2)
    targets["reg_mask"] = torch.tensor([[[True] * 4 + [False] * 4, [False] * 8]])
    assert indicator(regression.Config(), predictions, targets) == pytest.approx(1 / 3)


def test_a_task_loss_without_an_indicator_says_so():
    with pytest.raises(UserError, match=r"Silent has no performance\(\).*dtp"):
        Silent().performance({}, {})


class Silent(TaskLoss):
    pass
