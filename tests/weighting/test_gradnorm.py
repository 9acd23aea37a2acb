import pytest
import torch

from study.weighting import gradnorm

TASKS = ("a", "b")


def descend(weighting, losses, norms, steps, lr):
    """Plain gradient descent on the loss weights, as the closed forms assume."""
    optimizer = torch.optim.SGD(weighting.parameters(), lr=lr)
    for _ in range(steps):
        total, _ = weighting(losses.clone().requires_grad_(), torch.diag(norms**2))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        weighting.after_step(lambda: losses)
    return weighting.loss_weights.tolist()


def test_one_step_of_gradient_descent():
    weighting = gradnorm.Config(alpha=0).build(TASKS)
    total, _ = weighting(torch.ones(2, requires_grad=True), torch.diag(torch.tensor([16.0, 1.0])))
    total.backward()
    # mean(G) = 2.5: the first norm is above it, the second below.
    assert weighting.loss_weights.grad.tolist() == [4, -1]
    assert total.item() == 2
    with torch.no_grad():
        weighting.loss_weights -= 0.1 * weighting.loss_weights.grad
    assert weighting.loss_weights.tolist() == pytest.approx([0.6, 1.1])
    weighting.after_step(lambda: torch.ones(2))
    assert weighting.loss_weights.tolist() == pytest.approx([0.70588, 1.29412], abs=1e-5)


def test_without_asymmetry_the_norms_become_equal():
    weighting = gradnorm.Config(alpha=0).build(TASKS)
    found = descend(weighting, torch.ones(2), torch.tensor([4.0, 1.0]), 4000, 1e-3)
    assert found == pytest.approx([0.4, 1.6], abs=0.01)


def test_the_slow_task_gains_weight():
    weighting = gradnorm.Config(alpha=1).build(TASKS)
    weighting(torch.ones(2, requires_grad=True), torch.eye(2))  # L(0) = 1 for both
    found = descend(weighting, torch.tensor([1.5, 0.5]), torch.ones(2), 4000, 1e-3)
    assert found == pytest.approx([1.5, 0.5], abs=0.01)


def test_the_first_losses_stay_the_first():
    weighting = gradnorm.Config().build(TASKS)
    for value in (4.0, 2.0, 1.0):
        weighting(torch.full((2,), value, requires_grad=True), torch.eye(2))
    assert weighting.first_losses.tolist() == [4, 4]


def test_progress_is_measured_from_the_first_loss_that_is_not_zero():
    weighting = gradnorm.Config(alpha=1).build(TASKS)
    for losses in ([0.0, 1.0], [0.0, 1.5], [4.0, 1.0], [2.0, 0.5]):
        total, weights = weighting(torch.tensor(losses, requires_grad=True), torch.eye(2))
        assert torch.isfinite(total)
        assert weights.tolist() == [1, 1]
    assert weighting.first_losses.tolist() == [4, 1]


def test_a_loss_that_began_at_zero_does_not_take_all_the_weight():
    weighting = gradnorm.Config(alpha=1).build(TASKS)
    weighting(torch.tensor([0.0, 1.0], requires_grad=True), torch.eye(2))
    assert descend(weighting, torch.ones(2), torch.ones(2), 1000, 1e-3) == pytest.approx([1, 1], abs=0.01)
