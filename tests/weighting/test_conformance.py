"""What every weighting must do; runs over all of them."""

import io
import math
import re

import pytest
import torch
from methods import CONFIGS, KINDS, Steps, build, names, random_gramian

from study.config import Train
from study.optimization import make_optimizer
from study.step import Stepper
from study.tracker import Tracker

T = 5
"""Number of tasks where one number will do: no other size in a weighting is 5."""

TINY = torch.finfo(torch.float32).tiny
"""The smallest number above zero."""

ONE_SUM = {"random": 1, "famo": 1, "mgda": 1, "stch": 1 / T}
T_SUM = {"equal": T, "gradnorm": T, "dwa": T, "lwf_entropy": T}
SUMS = ONE_SUM | T_SUM
"""What the loss weights of a method sum to, where it says so."""

ANY = (-math.inf, math.inf)
RANGES = {
    **dict.fromkeys(["aligned_mtl", "lwf", "lwf relu", "lwf_paper"], ANY),  # effective weights of LWF may be negative
    "dtp": (0.0, math.inf),
    "hwf set": (0.0, math.inf),
    "lwf detached": (0.0, 1.0),
    "mgda": (0.0, 1.0),
    "self_paced": (0.0, 1.0),
    "random": (TINY, 1.0),
    "famo": (TINY, 1.0),
    "pcgrad": (1.0, math.inf),
    "cagrad": (1 / T, math.inf),
    "upgrad": (1 / T, math.inf),
}
"""What the loss weights of a method lie in, bounds included, where it says more than that they are above zero."""

pytestmark = pytest.mark.parametrize("name", list(CONFIGS))


def through_a_file(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_everything_is_finite_for_losses_from_zero_to_1e8(name, count):
    patterns = [
        torch.zeros(count),
        torch.full((count,), 1e8),
        torch.logspace(-30, 8, count),
        torch.tensor([0.0] * (count - 1) + [1e8]),
        torch.ones(count),
    ]
    gramians = [
        random_gramian(count, 0),
        random_gramian(count, 1, 1e-8),
        random_gramian(count, 2, 1e8),
        torch.zeros(count, count),
        torch.ones(count, count),  # parallel gradients
        torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(count, count)[:count, :count],  # opposite gradients
        torch.diag(torch.tensor([0.0] + [1.0] * (count - 1))),  # a task without a gradient
        torch.diag(torch.logspace(-20, 8, count)),
    ]
    for first in patterns:
        steps = Steps(build(CONFIGS[name], names(count)))
        for losses in [first, *patterns]:
            for gramian in gramians:
                performance = torch.tensor([0.0, 1.0, math.nan, 0.5] * 2)[:count]
                total, stated, effective = steps(losses, gramian, performance)
                assert torch.isfinite(total), (losses, gramian)
                assert torch.isfinite(effective).all(), (losses, gramian)
                assert torch.isfinite(stated).all()
            steps.weighting.after_epoch()
    assert all(torch.isfinite(value).all() for value in steps.weighting.parameters())


@pytest.mark.parametrize("count", [2, 3, 8])
def test_stated_loss_weights_are_the_derivatives_of_the_total(name, count):
    steps = Steps(build(CONFIGS[name], names(count)))
    for step in range(5):
        losses = torch.rand(count, generator=torch.Generator().manual_seed(step)) + 0.1
        _, stated, effective = steps(losses, random_gramian(count, step), torch.full((count,), 0.5))
        torch.testing.assert_close(stated, effective)
        assert stated.shape == (count,)
        assert not stated.requires_grad


def test_permuted_tasks_get_permuted_loss_weights(name):
    tasks, order = names(T), [3, 0, 4, 2, 1]
    first, second = build(CONFIGS[name], tasks), build(CONFIGS[name], [tasks[i] for i in order])

    def permuted(value):
        if isinstance(value, dict):
            return {key: permuted(inner) for key, inner in value.items()}
        if isinstance(value, torch.Tensor):
            for dim, size in enumerate(value.shape):
                value = value.index_select(dim, torch.tensor(order)) if size == T else value
        return value

    second.load_state_dict(permuted(first.state_dict()))
    weights = torch.tensor(Steps(first).run(T, range(7)))
    torch.testing.assert_close(torch.tensor(Steps(second).run(T, range(7), order)), weights[:, order])


def test_equal_seeds_give_equal_loss_weights_whatever_else_draws(name):
    runs = []
    for disturbance in (1, 2):
        weighting = build(CONFIGS[name], names(T))
        torch.manual_seed(disturbance)
        runs.append(Steps(weighting).run(T, range(7)))
    assert runs[0] == runs[1]
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    Steps(weighting).run(T, range(2))
    assert torch.equal(torch.rand(1), expected), "the weighting drew from the global generator"


def test_a_saved_state_goes_on_bit_for_bit(name):
    weighting = build(CONFIGS[name], names(T))
    steps = Steps(weighting)
    steps.run(T, range(4))
    saved = through_a_file(
        {"weighting": weighting.state_dict(), "optimizer": steps.optimizer and steps.optimizer.state_dict()}
    )
    expected = steps.run(T, range(4, 9))

    resumed = Steps(build(CONFIGS[name], names(T), seed=77))
    resumed.weighting.load_state_dict(saved["weighting"])
    if resumed.optimizer:
        resumed.optimizer.load_state_dict(saved["optimizer"])
    assert resumed.run(T, range(4, 9)) == expected


def test_nothing_but_the_effective_loss_weights_reaches_the_model(name):
    steps = Steps(build(CONFIGS[name], names(T)))
    steps.run(T, range(3))
    model = torch.rand(6, requires_grad=True)
    jacobian = torch.rand(T, 6, generator=torch.Generator().manual_seed(1))
    losses = jacobian @ model + 0.1
    if steps.weighting.needs_performance:
        steps.weighting.observe(torch.full((T,), 0.5))
    gramian = (jacobian @ jacobian.T).requires_grad_()
    total, loss_weights = steps.weighting(losses, gramian if steps.weighting.needs_gramian else None)
    total.backward()
    torch.testing.assert_close(model.grad, loss_weights @ jacobian)
    assert gramian.grad is None


def test_its_parameters_are_neither_decayed_nor_clipped(name):
    weighting = build(CONFIGS[name], names(T))
    own = list(weighting.parameters())
    network = torch.nn.Linear(3, 3)
    optimizer = make_optimizer(Train(weight_decay=0.5), network, weighting)
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert groups["network"]["weight_decay"] == 0.5
    assert {id(p) for p in groups["network"]["params"]} == {id(p) for p in network.parameters()}
    if own:
        assert groups["weighting"]["weight_decay"] == 0
        assert {id(p) for p in groups["weighting"]["params"]} == {id(p) for p in own}
        assert weighting.joint or weighting.lr > 0

    tracker = Tracker()
    tracker.layer = torch.nn.Linear(3, 3)
    stepper = Stepper(Train(), tracker, weighting, names(T), torch.device("cpu"))
    clipped = {id(parameter) for parameter in stepper.clipped}
    expected = [*tracker.parameters(), *(own if name == "lwf_paper" else [])]  # the paper's single clip
    assert clipped == {id(parameter) for parameter in expected}


def test_invariants_that_a_method_states_hold(name):
    weights = torch.tensor(Steps(build(CONFIGS[name], names(T))).run(T, range(12)))
    if name in SUMS:
        torch.testing.assert_close(weights.sum(1), torch.full((12,), float(SUMS[name])))
    low, high = RANGES.get(name, (TINY, math.inf))
    assert weights.min() >= low - 1e-6 * abs(low)
    assert weights.max() <= high + 1e-6 * abs(high)


def test_the_document_names_the_source(name):
    config = CONFIGS[name]
    assert config.kind() in KINDS
    assert config.model_dump()["kind"] == config.kind()
    module = __import__(type(config).__module__, fromlist=["Config"])
    assert module.__doc__
    assert type(config).__doc__
    source = f"{type(config).__doc__} {type(build(config, names(T))).__doc__}"
    own = {"equal", "hwf", "hwf set"}  # the plain sum, and weights of the user's own
    assert name in own or re.search(r"(19|20)\d\d|[Ee]q\. \d", source)
