"""Methods that weigh by the Gramian: closed forms, parity with torchjd, tasks without a gradient."""

import importlib

import pytest
import torch
import torchjd.aggregation as torchjd
from methods import CONFIGS, build, names, random_gramian

from study.weighting import cagrad, fairgrad, mgda, nash_mtl
from study.weighting.gramian import GramianConfig

GRAMIAN = [name for name, config in CONFIGS.items() if isinstance(config, GramianConfig)]
OPPOSED = torch.tensor([[1.0, -0.5], [-0.5, 1.0]])
APART = torch.diag(torch.tensor([4.0, 1.0]))
"""Orthogonal gradients of norms 2 and 1."""


def weigh(config, gramian):
    losses = torch.ones(len(gramian), requires_grad=True)
    return build(config, names(len(gramian)))(losses, gramian)[1].detach()


def load(kind):
    return importlib.import_module(f"study.weighting.{kind}").Config()


@pytest.mark.parametrize(
    ("config", "gramian", "expected"),
    [
        # The smallest convex combination of orthogonal gradients weighs them by 1 / norm^2.
        (mgda.Config(epsilon=1e-9, max_iters=1000), APART, [0.2, 0.8]),
        # Each gradient gains 1/2 of the other: its projection off a gradient at cosine -1/2.
        (load("pcgrad"), OPPOSED, [1.5, 1.5]),
        (load("pcgrad"), APART, [1.0, 1.0]),
        # Without a radius the mean gradient stays; orthonormal gradients gain c / 2 each.
        (cagrad.Config(c=0), APART, [0.5, 0.5]),
        (cagrad.Config(c=0.4), torch.eye(2), [0.7, 0.7]),
        # sqrt(smallest eigenvalue / eigenvalue) of orthogonal gradients, times 1 / T.
        (load("aligned_mtl"), APART, [0.25, 0.5]),
        # a w = w^(-1 / alpha).
        (fairgrad.Config(alpha=2), torch.diag(torch.tensor([8.0, 1.0])), [0.25, 1.0]),
        (fairgrad.Config(alpha=1), APART, [0.5, 1.0]),
        # a w = 1 / w.
        (nash_mtl.Config(max_norm=0), APART, [0.5, 1.0]),
        (nash_mtl.Config(max_norm=1), APART, [0.5 / 2**0.5, 1 / 2**0.5]),
        (load("upgrad"), APART, [0.5, 0.5]),
        # min v' G v with v_1 >= 1/2 gives v_2 = 1/4, and the same the other way round.
        (load("upgrad"), OPPOSED, [0.75, 0.75]),
    ],
)
def test_closed_forms(config, gramian, expected):
    torch.testing.assert_close(weigh(config, gramian), torch.tensor(expected), rtol=1e-3, atol=1e-3)


PARITY = {
    "aligned_mtl": torchjd.AlignedMTL(),
    "cagrad": torchjd.CAGrad(c=0.4),
    "fairgrad": torchjd.FairGrad(alpha=2.0),
    "mgda": torchjd.MGDA(),
    "nash_mtl": None,  # one game a number of tasks
    "pcgrad": torchjd.PCGrad(),
    "upgrad": torchjd.UPGrad(),
}


@pytest.mark.parametrize("kind", GRAMIAN)
@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 30.0])
@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem|Solution may be inaccurate")
def test_equal_to_torchjd_on_the_jacobian(kind, count, scale):
    """torchjd combines the gradients themselves; ours weighs them by the Gramian alone."""
    generator = torch.Generator().manual_seed(count)
    spread = torch.logspace(0, 0.5, count, dtype=torch.float64)[:, None]
    jacobian = scale * spread * torch.randn(count, 30, generator=generator, dtype=torch.float64)
    aggregator = PARITY[kind] or torchjd.NashMTL(count)
    weighting = build(load(kind), sorted(names(count)))
    losses = torch.ones(count, dtype=torch.float64, requires_grad=True)
    if kind == "pcgrad":
        torch.manual_seed(int(weighting.draws.seed) + 1)  # the draws of our first step
    expected = aggregator(jacobian)
    found = weighting(losses, jacobian @ jacobian.T)[1].detach() @ jacobian
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4 * float(expected.norm()))


@pytest.mark.parametrize("kind", GRAMIAN)
@pytest.mark.parametrize("missing", [[0], [1], [2], [0, 2]])
def test_a_task_without_a_gradient_takes_no_part_and_weighs_as_the_others_do(kind, missing):
    tasks, present = names(3), [i for i in range(3) if i not in missing]
    gramian = random_gramian(3, 4)
    gramian[missing] = gramian[:, missing] = 0
    weights = weigh(load(kind), gramian)
    assert weights[missing].tolist() == pytest.approx([float(weights[present].mean())] * len(missing))
    alone = build(load(kind), [tasks[i] for i in present])
    losses = torch.ones(len(present), requires_grad=True)
    torch.testing.assert_close(weights[present], alone(losses, gramian[present][:, present])[1].detach())


@pytest.mark.parametrize("kind", GRAMIAN)
def test_without_any_gradient_every_task_weighs_one(kind):
    assert weigh(load(kind), torch.zeros(3, 3)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", ["aligned_mtl", "cagrad", "mgda", "pcgrad", "upgrad"])
def test_the_common_scale_of_the_gradients_does_not_matter(kind):
    gramian = random_gramian(4, 0)
    torch.testing.assert_close(weigh(load(kind), gramian * 1e-12), weigh(load(kind), gramian))
