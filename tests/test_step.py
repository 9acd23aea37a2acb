"""One step of every weighting: each parameter gets what an ordinary backward of the weighted sum would give it."""

import copy
from collections import Counter

import pytest
import torch
from tiny_trials import BY_PLACE, DATA, DEFAULTS, PLACES, SMALL, VARIANTS
from torch import Tensor, nn

from study.batch import FrameBatch
from study.config import Train
from study.data import FrameCache, box_statistics, read_splits
from study.data.samples import Samples
from study.errors import DivergedError, UserError
from study.losses.objectives import CLS_REG_REID
from study.step import Stepper, StepResult
from study.tracker import Tracker, TrainingOutput, chained
from study.weighting import Weighting, dtp, equal, gradnorm, lwf, mgda

CPU = torch.device("cpu")
TASKS = CLS_REG_REID.tasks
TRACKERS = {"towers apart": chained.Config(**SMALL), "towers coupled": chained.Config(**SMALL, attention=True)}
FIVE_LEVELS = chained.Config(**SMALL, attention=True, levels=(3, 4, 5, 6, 7), both_orders=True)
WEIGHTINGS = DEFAULTS | VARIANTS | BY_PLACE


class Material:
    """Two batches of pairs, and trackers for them."""

    def __init__(self, cache_dir) -> None:
        splits = read_splits(DATA, cache_dir)
        cache = FrameCache.open(splits.train, image_size=DATA.image_size, cache_dir=cache_dir)
        pairs = Samples(splits.train, cache, DATA, seed=0)
        self.statistics = box_statistics(splits.train, DATA.image_size, DATA.min_visibility)
        self.batches = [pairs.training_batch(1, range(2 * i, 2 * i + 2)).on(CPU) for i in range(2)]

    def stepper(self, tracker: chained.Config, weighting) -> Stepper:
        torch.manual_seed(0)
        network = tracker.build(CLS_REG_REID, self.statistics)
        return make_stepper(network, weighting.build(TASKS), TASKS)


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return Material(tmp_path_factory.mktemp("cache"))


def make_stepper(tracker: Tracker, weighting: Weighting, tasks: tuple[str, ...]) -> Stepper:
    return Stepper(Train(clip_grad_norm=None, precision="float32"), tracker, weighting, tasks, CPU)


def assert_ordinary(before: Tracker, stepper: Stepper, batch: FrameBatch, result: StepResult) -> None:
    """After a step, `.grad` is what an ordinary backward of sum_i w_i L_i gives in the tracker from before it."""
    losses = [before(batch).losses[task] for task in stepper.tasks]
    assert [loss.item() for loss in losses] == result.losses
    total = sum(w * loss for w, loss in zip(result.loss_weights, losses, strict=True))
    parameters = dict(before.named_parameters())
    one_by_one = [_gradients(loss, parameters) for loss in losses]
    for name, expected in _gradients(total, parameters).items():
        found = stepper.tracker.get_parameter(name).grad
        assert (found is None) == (expected is None), name
        if expected is not None:
            # Terms may cancel, so rounding is that of the terms.
            terms = [
                abs(w) * part.abs().max()
                for w, gradients in zip(result.loss_weights, one_by_one, strict=True)
                if (part := gradients[name]) is not None
            ]
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(sum(terms)), msg=lambda m: name + m)  # noqa: B023


def _gradients(loss: Tensor, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor | None]:
    found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
    return dict(zip(parameters, found, strict=True))


def assert_steps_are_ordinary(stepper: Stepper, batches: list[FrameBatch]) -> None:
    """In the first step the regression tower's last layer is still zero; in the second every task has gradients."""
    for step, batch in enumerate(batches):
        before = copy.deepcopy(stepper.tracker)
        assert_ordinary(before, stepper, batch, stepper(batch, 1.0, 2e-3, f"step {step}"))


@pytest.mark.parametrize("name", WEIGHTINGS)
@pytest.mark.parametrize("tracker", TRACKERS)
def test_every_parameter_gets_the_gradient_of_the_weighted_sum(material, tracker, name):
    stepper = material.stepper(TRACKERS[tracker], WEIGHTINGS[name])
    assert stepper.weighting.needs_gramian == hasattr(WEIGHTINGS[name], "gramian_at")
    assert_steps_are_ordinary(stepper, material.batches)


@pytest.mark.parametrize("place", PLACES)
def test_a_pyramid_of_five_levels_in_both_orders_gets_it_too(material, place):
    assert_steps_are_ordinary(material.stepper(FIVE_LEVELS, mgda.Config(gramian_at=place)), material.batches)


def count_walks(stepper: Stepper, batch: FrameBatch) -> dict[str, int]:
    """How often a gradient passes the first convolution of the backbone and of every tower, in one step."""
    tracker = stepper.tracker
    layers = {"backbone": tracker.backbone.stem[0]} | {name: tower[0] for name, tower in tracker.towers.items()}
    walks = Counter()

    def watch(name: str, output: Tensor) -> None:
        output.register_hook(lambda _: walks.update([name]))

    handles = [
        layer.register_forward_hook(lambda _module, _inputs, output, name=name: watch(name, output))
        for name, layer in layers.items()
    ]
    stepper(batch, 1.0, 2e-3, "step 0")
    for handle in handles:
        handle.remove()
    return dict(walks)


LEVELS = len(TRACKERS["towers apart"].levels)


@pytest.mark.parametrize(("place", "backbone"), [*zip(PLACES, (1, 1, len(TASKS)), strict=True)])
def test_every_head_is_walked_once_and_the_backbone_only_as_often_as_it_is_compared(material, place, backbone):
    stepper = material.stepper(TRACKERS["towers apart"], mgda.Config(gramian_at=place))
    walks = count_walks(stepper, material.batches[0])
    assert walks == {"backbone": backbone, "cls": LEVELS, "reg": LEVELS, "reid": LEVELS}


def test_a_tower_that_another_loss_passes_is_walked_for_that_loss_too(material):
    walks = count_walks(material.stepper(TRACKERS["towers coupled"], mgda.Config()), material.batches[0])
    assert walks == {"backbone": 1, "cls": 2 * LEVELS, "reg": LEVELS, "reid": 2 * LEVELS}


def test_without_a_gramian_one_backward_is_all(material):
    walks = count_walks(material.stepper(TRACKERS["towers coupled"], lwf.Config()), material.batches[0])
    assert walks == {"backbone": 1, "cls": LEVELS, "reg": LEVELS, "reid": LEVELS}


def test_the_network_descends_the_effective_weights_of_lwf_and_not_the_raw_ones(material):
    stepper = material.stepper(TRACKERS["towers apart"], lwf.Config())
    before = copy.deepcopy(stepper.tracker)
    result = stepper(material.batches[0], 1.0, 2e-3, "step 0")
    assert result.raw_weights != pytest.approx(result.loss_weights, rel=0.05)
    assert_ordinary(before, stepper, material.batches[0], result)


LEARNED = [
    name
    for name, config in WEIGHTINGS.items()
    if not (weighting := config.build(TASKS)).needs_gramian and list(weighting.parameters())
]
"""Weightings with parameters that learn from the losses alone."""


@pytest.mark.parametrize("name", LEARNED)
def test_parameters_of_a_weighting_get_the_gradient_of_its_total_at_constant_losses(material, name):
    stepper = material.stepper(TRACKERS["towers apart"], WEIGHTINGS[name])
    before = copy.deepcopy(stepper.weighting)
    result = stepper(material.batches[0], 1.0, 2e-3, "step 0")
    total, _ = before(torch.tensor(result.losses, requires_grad=True))
    total.backward()
    for parameter, expected in zip(stepper.weighting.parameters(), before.parameters(), strict=True):
        if expected.grad is None:
            assert parameter.grad is None
        else:
            assert torch.equal(parameter.grad, expected.grad)


class TwoHeads(Tracker):
    """A user's tracker: a vector of parameters, two heads on it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.heads = nn.Parameter(torch.tensor([[3.0, 4.0], [1.0, -1.0]]))

    def forward(self, batch: FrameBatch) -> TrainingOutput:  # noqa: ARG002
        feature = self.backbone.tanh()
        first, second = (self.heads @ feature).square()
        return self.output(first, second, feature)

    def output(self, first: Tensor, second: Tensor, feature: Tensor) -> TrainingOutput:
        return TrainingOutput({"first": first, "second": second}, [feature])


class WithoutFeatures(TwoHeads):
    def output(self, first: Tensor, second: Tensor, feature: Tensor) -> TrainingOutput:
        return TrainingOutput({"first": first, "second": second}, [feature.detach()])


class WithConstantLoss(TwoHeads):
    def output(self, first: Tensor, second: Tensor, feature: Tensor) -> TrainingOutput:
        return TrainingOutput({"first": first, "second": second.detach()}, [feature])


class WithoutANumber(TwoHeads):
    def output(self, first: Tensor, second: Tensor, feature: Tensor) -> TrainingOutput:
        return TrainingOutput({"first": first, "second": second * torch.nan}, [feature])


def one_step(material: Material, tracker: Tracker, weighting: Weighting) -> StepResult:
    stepper = make_stepper(tracker, weighting, ("first", "second"))
    return stepper(material.batches[0], 1.0, 1e-3, "step 7 (epoch 2)")


@pytest.mark.parametrize("config", [equal.Config(), mgda.Config(), gradnorm.Config(gramian_at="shared_parameters")])
def test_a_tracker_of_the_users_own_trains(material, config):
    result = one_step(material, TwoHeads(), config.build(("first", "second")))
    assert result.gradient_norm > 0


@pytest.mark.parametrize("place", PLACES)
def test_features_without_a_gradient_are_the_users_mistake(material, place):
    weighting = mgda.Config(gramian_at=place).build(("first", "second"))
    with pytest.raises(UserError, match=r"shared_features: the tracker gives none|names no last shared layer"):
        one_step(material, WithoutFeatures(), weighting)
    assert one_step(material, WithoutFeatures(), equal.Config().build(("first", "second"))).total > 0


def test_a_tracker_that_names_no_last_shared_layer_is_told_what_else_there_is(material):
    weighting = mgda.Config(gramian_at="last_shared_layer").build(("first", "second"))
    with pytest.raises(UserError, match=r"gramian_at: TwoHeads names no last shared layer.*'shared_features'"):
        one_step(material, TwoHeads(), weighting)


def test_a_tracker_without_key_performance_indicators_is_the_users_mistake(material):
    with pytest.raises(UserError, match=r"step 7 \(epoch 2\): TwoHeads gives no key performance indicators.*dtp"):
        one_step(material, TwoHeads(), dtp.Config().build(("first", "second")))


@pytest.mark.parametrize("config", [equal.Config(), mgda.Config()])
def test_a_task_loss_without_a_gradient_is_named_with_its_step(material, config):
    with pytest.raises(UserError, match=r"step 7 \(epoch 2\): task loss 'second' has no gradient"):
        one_step(material, WithConstantLoss(), config.build(("first", "second")))


@pytest.mark.parametrize("config", [equal.Config(), mgda.Config(), lwf.Config()])
def test_a_task_loss_that_is_not_a_number_is_named_with_its_step(material, config):
    with pytest.raises(DivergedError, match=r"step 7 \(epoch 2\): second is nan"):
        one_step(material, WithoutANumber(), config.build(("first", "second")))


class Misstated(Weighting):
    """A user's weighting that says other loss weights than it trains with."""

    def __init__(self, stated: list[float]) -> None:
        super().__init__(("first", "second"))
        self.stated = torch.tensor(stated)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return (torch.tensor([1.0, 3.0]) * losses).sum(), self.stated


def test_a_weighting_that_misstates_its_loss_weights_is_refused(material):
    assert one_step(material, TwoHeads(), Misstated([1.0, 3.0])).loss_weights == [1, 3]
    for stated in ([1.0, 3.1], [0.0, 0.0]):
        with pytest.raises(UserError, match=r"test_step says .* but d total / d losses is \[1\.0, 3\.0\]"):
            one_step(material, TwoHeads(), Misstated(stated))


def test_a_weighting_that_states_what_is_not_a_number_or_too_few_is_refused(material):
    with pytest.raises(UserError, match="d total / d losses"):
        one_step(material, TwoHeads(), Misstated([torch.nan, 3.0]))
    with pytest.raises(UserError, match=r"loss weights of shape \(1,\); expected .* shape \(2,\)"):
        one_step(material, TwoHeads(), Misstated([1.0]))


class Detached(Misstated):
    """A user's weighting whose total has nothing to do with the losses."""

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return losses.detach().sum(), self.stated


def test_a_total_without_the_losses_is_refused(material):
    with pytest.raises(UserError, match="does not depend on the losses"):
        one_step(material, TwoHeads(), Detached([1.0, 1.0]))
