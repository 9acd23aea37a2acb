"""Methods that look at losses only: closed forms, optima, parity with torchjd."""

import math

import pytest
import torch
import torchjd.scalarization as torchjd
from methods import Steps, build

from study.errors import UserError
from study.weighting import (
    dtp,
    dwa,
    equal,
    famo,
    geometric_mean,
    imtl_l,
    lwf,
    lwf_barrier,
    lwf_entropy,
    lwf_paper,
    random,
    self_paced,
    stch,
    uncertainty,
)

TASKS = ("a", "b", "c")


def weigh(config, *losses):
    weighting = build(config, TASKS[: len(losses)])
    total, weights = weighting(torch.tensor(losses, requires_grad=True))
    return total.item(), weights.tolist()


def settle(config, losses, steps):
    """Loss weights after many steps on constant losses."""
    run = Steps(build(config, TASKS[: len(losses)]))
    for _ in range(steps):
        _, _, weights = run(torch.tensor(losses), torch.eye(len(losses)), torch.ones(len(losses)))
    return weights.tolist()


@pytest.mark.parametrize(
    ("config", "losses", "total", "weights"),
    [
        (equal.Config(), (2.0, 3.0, 4.0), 9, [1, 1, 1]),
        (famo.Config(), (1.0, 4.0), 0.8 * math.log(4), [0.8, 0.2]),  # c z_i / L_i, and c log of the geometric mean
        (imtl_l.Config(), (2.0, 3.0), 5, [1, 1]),
        (geometric_mean.Config(), (1.0, 4.0), 2, [1, 0.25]),
        (stch.Config(mu=0.1), (1.0, 1.0), 0.5 + 0.1 * math.log(2), [0.25, 0.25]),
        (self_paced.Config(start=1.5), (1.0, 2.0, 3.0), 2 / 3 + 2 / 3, [2 / 3, 1 / 3, 0]),
        (uncertainty.Config(), (1.0, 4.0), 2.5, [0.5, 0.5]),
    ],
)
def test_first_step(config, losses, total, weights):
    found_total, found = weigh(config, *losses)
    assert found_total == pytest.approx(total, rel=1e-5)
    assert found == pytest.approx(weights, rel=1e-5)


@pytest.mark.parametrize(
    ("form", "log_variance", "weight"),
    [
        ("regression", lambda loss: math.log(loss), lambda loss: 1 / (2 * loss)),
        ("classification", lambda loss: math.log(2 * loss), lambda loss: 1 / (2 * loss)),
        ("laplace", lambda loss: math.log(loss), lambda loss: 1 / loss),
    ],
)
def test_uncertainty_reaches_its_optimum_and_follows_the_scale(form, log_variance, weight):
    for scale in (1, 7):
        losses = (0.2 * scale, 1.5 * scale)
        run = Steps(build(uncertainty.Config(forms={"a": form, "b": form}, lr=0.05), TASKS[:2]))
        for _ in range(600):
            _, _, weights = run(torch.tensor(losses), torch.eye(2), torch.ones(2))
        expected = [log_variance(loss) for loss in losses]
        assert run.weighting.log_variances.tolist() == pytest.approx(expected, abs=1e-2)
        assert weights.tolist() == pytest.approx([weight(loss) for loss in losses], rel=2e-2)


def test_uncertainty_knows_the_platforms_task_losses_and_refuses_unknown_names():
    weighting = build(uncertainty.Config(), ("cls", "reg", "reid", "temporal"))
    _, weights = weighting(torch.ones(4, requires_grad=True))
    assert weights.tolist() == [1, 1, 1, 0.5]  # classification, Laplace, classification, regression
    with pytest.raises(UserError, match=r"weighting\.forms: no task 'redi'.*did you mean 'reid'"):
        uncertainty.Config(forms={"redi": "laplace"}).build(("cls", "reg", "reid"))


def test_uncertainty_of_a_vanishing_loss_stays_within_its_limit():
    weights = settle(uncertainty.Config(lr=1.0, limit=3), (0.0, 1.0), 30)
    assert weights[0] == pytest.approx(0.5 * math.exp(3))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (imtl_l.Config(lr=0.05), lambda loss, _: 1 / loss),
        (lwf_barrier.Config(lr=0.01), lambda loss, _: 1 / loss),
        (
            lwf_entropy.Config(lr=0.01, temperature=0.7),
            lambda loss, losses: len(losses) * math.exp(-loss / 0.7) / sum(math.exp(-x / 0.7) for x in losses),
        ),
    ],
)
def test_optimum_on_constant_losses(config, expected):
    losses = (0.2, 1.5, 0.6)
    assert settle(config, losses, 800) == pytest.approx([expected(loss, losses) for loss in losses], rel=0.02)


def test_a_barrier_weight_comes_back_from_its_limit():
    steps = Steps(build(lwf_barrier.Config(lr=0.01), TASKS[:2]))

    def settle_on(losses):
        for _ in range(1500):
            _, _, weights = steps(torch.tensor(losses), torch.eye(2), torch.ones(2))
        return weights.tolist()

    limit = math.exp(lwf_barrier.BarrierWeightingFactors.LIMIT)
    assert settle_on((1e-9, 1.0)) == pytest.approx([limit, 1], rel=0.02)
    assert settle_on((0.5, 1.0)) == pytest.approx([2, 1], rel=0.02)


@pytest.mark.parametrize(
    ("channels", "layers", "count"),
    [
        (4, 1, 40),
        (8, 1, 112),
        (16, 1, 352),
        (32, 1, 1216),
        (64, 1, 4480),
        (128, 1, 17152),
        (32, 2, 2240),
        (32, 3, 3264),
    ],
)
def test_lwf_has_the_parameters_of_tables_iv_and_v(channels, layers, count):
    for config in (lwf.Config, lwf_paper.Config, lwf_barrier.Config, lwf_entropy.Config):
        weighting = config(channels=channels, layers=layers).build(TASKS)
        assert sum(parameter.numel() for parameter in weighting.parameters()) == count


@pytest.mark.parametrize("output", ["sigmoid", "relu"])
def test_lwf_by_hand(output):
    weighting = build(lwf.Config(channels=1, output=output), TASKS[:2])
    with torch.no_grad():
        for parameter, value in zip(weighting.parameters(), ([[1.0, 2.0]], [[-0.5]], [[0.3], [-0.2]]), strict=True):
            parameter.copy_(torch.tensor(value))
    losses = torch.tensor([0.4, 0.3], requires_grad=True)
    total, effective = weighting(losses)

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    def by_hand(first, second):
        hidden = first + 2 * second
        if output == "sigmoid":
            hidden = max(0.0, -0.5 * max(0.0, hidden))
            return sigmoid(0.3 * hidden), sigmoid(-0.2 * hidden)
        hidden = sigmoid(-0.5 * sigmoid(hidden))
        return max(0.0, 0.3 * hidden), max(0.0, -0.2 * hidden)

    def by_hand_total(first, second):
        weights = by_hand(first, second)
        return weights[0] * first + weights[1] * second

    assert weighting.raw_weights().tolist() == pytest.approx(list(by_hand(0.4, 0.3)))
    assert total.item() == pytest.approx(by_hand_total(0.4, 0.3))
    step = 1e-5
    slopes = [
        (by_hand_total(0.4 + step, 0.3) - by_hand_total(0.4 - step, 0.3)) / (2 * step),
        (by_hand_total(0.4, 0.3 + step) - by_hand_total(0.4, 0.3 - step)) / (2 * step),
    ]
    assert effective.tolist() == pytest.approx(slopes, rel=1e-4, abs=1e-6)


def test_detached_lwf_trains_with_the_weights_that_it_predicts():
    weighting = build(lwf.Config(detach_input=True), TASKS)
    _, effective = weighting(torch.rand(3, requires_grad=True))
    assert torch.equal(effective, weighting.raw_weights())


def test_the_papers_initialisation_is_narrow():
    paper, torchs = (build(lwf.Config(initialisation=name), TASKS) for name in ("paper", "pytorch"))
    spreads = [
        torch.cat([parameter.detach().flatten() for parameter in weighting.parameters()]).std().item()
        for weighting in (paper, torchs)
    ]
    assert spreads[0] == pytest.approx(0.01, rel=0.1)
    assert spreads[1] > 0.05


def test_random_draws_torchjds_weights_and_is_fair_on_average():
    weighting = build(random.Config(), TASKS)
    losses = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    total, weights = weighting(losses)
    torch.manual_seed(int(weighting.draws.seed) + 1)
    torch.testing.assert_close(total, torchjd.Random()(losses))
    many = torch.stack([weighting(losses)[1] for _ in range(3000)])
    assert many.mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert not torch.equal(many[0], weights)


def test_dwa_equals_torchjds():
    ours, theirs = build(dwa.Config(temperature=1.5), TASKS), torchjd.DWA(1.5)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        for _ in range(3):
            losses = (torch.rand(3, generator=generator) + 0.1).requires_grad_()
            torch.testing.assert_close(ours(losses)[0], theirs(losses))
        ours.after_epoch()
        theirs.step()


def test_dwa_gives_more_to_what_falls_slowly():
    weighting = build(dwa.Config(temperature=2), TASKS[:2])
    for losses in ([1.0, 1.0], [0.5, 1.0]):
        assert weighting(torch.tensor(losses, requires_grad=True))[1].tolist() == [1, 1]
        weighting.after_epoch()
    _, weights = weighting(torch.ones(2, requires_grad=True))
    fast, slow = math.exp(0.25), math.exp(0.5)
    assert weights.tolist() == pytest.approx([2 * fast / (fast + slow), 2 * slow / (fast + slow)])


def test_uncertainty_in_its_regression_form_equals_torchjds():
    forms = dict.fromkeys(TASKS, "regression")
    ours, theirs = build(uncertainty.Config(forms=forms), TASKS), torchjd.UW(3)
    with torch.no_grad():
        for parameter in (ours.log_variances, theirs.log_var):
            parameter.copy_(torch.tensor([-1.0, 0.3, 2.0]))
    losses = torch.tensor([0.5, 1.0, 2.0], requires_grad=True)
    torch.testing.assert_close(ours(losses)[0], theirs(losses))


def test_famo_learns_from_the_second_look():
    run = build(famo.Config(), TASKS[:2])
    losses = torch.tensor([1.0, 1.0], requires_grad=True)
    _, before = run(losses)
    run.after_step(lambda: torch.tensor([0.5, 1.0]))  # the first fell, so the second gains
    _, after = run(losses)
    assert before.tolist() == [0.5, 0.5]
    assert after[1] > 0.5 > after[0]


def test_dtp_weighs_by_performance():
    weighting = build(dtp.Config(gamma=2, momentum=0.5), TASKS)
    losses = torch.ones(3, requires_grad=True)
    assert weighting(losses)[1].tolist() == pytest.approx([0.25 * math.log(2)] * 3)  # not judged yet
    weighting.observe(torch.tensor([0.5, 1.0, math.nan]))
    assert weighting(losses)[1].tolist() == pytest.approx([0.25 * math.log(2), 0, 0.25 * math.log(2)])
    weighting.observe(torch.tensor([0.1, math.nan, 0.0]))  # the first runs to 0.3
    expected = [0.49 * -math.log(0.3), 0, -((1 - 1e-6) ** 2) * math.log(1e-6)]
    assert weighting(losses)[1].tolist() == pytest.approx(expected, rel=1e-4)


def test_self_paced_takes_the_hard_tasks_in_later():
    weighting = build(self_paced.Config(start=1.0, doubling_steps=10), TASKS[:2])
    losses = torch.tensor([1.0, 3.0], requires_grad=True)
    seen = []
    for _ in range(21):
        seen.append(weighting(losses)[1].tolist())
        weighting.after_step(lambda: losses)
    assert seen[0] == pytest.approx([0.5, 0])  # lambda = mean of the first losses = 2
    assert seen[10] == pytest.approx([0.75, 0.25])
    assert seen[20] == pytest.approx([0.875, 0.625])
    hard = build(self_paced.Config(start=1e-3), TASKS[:2])
    assert hard(losses)[1].tolist() == [0.5, 0]  # never too young for the easiest


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_a_loss_of_zero_in_the_geometric_mean(zero):
    losses = [1.0, 1.0, 1.0]
    losses[zero] = 0.0
    total, weights = weigh(geometric_mean.Config(), *losses)
    assert total == pytest.approx(1e-8 ** (1 / 3), rel=1e-3)
    assert all(math.isfinite(weight) and weight > 0 for weight in weights)
