"""Search spaces: what they choose, and that choices are found again from a configuration."""

import itertools
import json
import math
import random

import pytest
from example_rows import make_study
from pydantic import ValidationError

from study.config import Study, set_keys
from study.draw import Fixed, RandomDraw
from study.errors import UserError
from study.frozen import validate
from study.search_config import Search
from study.space import (
    Choice,
    Integer,
    LogUniform,
    Option,
    Simplex,
    Uniform,
    Weights,
    choose,
    dimensions,
    grid,
    normalized,
    num_points,
    parameters,
)
from study.weighting import famo, hwf, lwf, lwf_barrier

TASKS = ("cls", "reg", "reid")

CONDITIONAL = Choice(
    values=(
        Option(value=hwf.Config(), space={"weighting.loss_weights": Simplex(ratio=5)}),
        Option(
            value=lwf.Config(),
            space={
                "weighting.lr": LogUniform(low=1e-4, high=1e-1),
                "weighting.output": Choice(
                    values=(Option(value="relu", space={"weighting.layers": Integer(low=1, high=3)}), "sigmoid")
                ),
            },
        ),
        Option(value=lwf.Config(detach_input=True), space={"train.lr": Uniform(low=0.001, high=0.002)}),
        famo.Config(),
    )
)
"""Two of one kind, an option with an option, and one that opens a dimension outside of the component."""

SPACES = {
    "uniform": {"train.lr": Uniform(low=0.001, high=0.1)},
    "log uniform": {"train.lr": LogUniform(low=1e-5, high=1.0)},
    "integer": {"train.epochs": Integer(low=1, high=64)},
    "integer by its logarithm": {"train.epochs": Integer(low=1, high=64, log=True)},
    "weights": {"weighting.loss_weights": Weights(low=0.1, high=10)},
    "simplex": {"weighting.loss_weights": Simplex(ratio=10)},
    "numbers": {"train.steps_per_epoch": Choice(values=(60, 120, None))},
    "words": {"train.optimizer": Choice(values=("adam", "adamw"))},
    "truths": {"tracker.both_orders": Choice(values=(True, False))},
    "lists": {"data.image_size": Choice(values=((96, 64), (192, 112)))},
    "mappings": {"weighting.loss_weights": Choice(values=({"cls": 2.0}, {"cls": 1.0, "reg": 0.5}))},
    "components": {"weighting": Choice(values=(lwf.Config(), lwf_barrier.Config(), lwf.Config(output="relu")))},
    "conditional": {"weighting": CONDITIONAL},
    "setting of every component, before it": {
        "weighting.lr": LogUniform(low=1e-4, high=1e-1),
        "weighting": Choice(values=(lwf.Config(), lwf_barrier.Config())),
    },
    "several": {
        "weighting": CONDITIONAL,
        "train.epochs": Integer(low=1, high=3),
        "train.optimizer": Choice(values=("adam", "adamw")),
    },
}


class Noting(RandomDraw):
    """Chooses at random, and notes what it chose."""

    def __init__(self, seed):
        super().__init__(random.Random(seed))
        self.chosen = {}

    def suggest_float(self, name, low, high, *, log=False):
        return self.note(name, super().suggest_float(name, low, high, log=log))

    def suggest_int(self, name, low, high, *, log=False):
        return self.note(name, super().suggest_int(name, low, high, log=log))

    def suggest_categorical(self, name, choices):
        return self.note(name, super().suggest_categorical(name, choices))

    def note(self, name, value):
        assert name not in self.chosen, f"two choices are called {name}"
        self.chosen[name] = value
        return value


@pytest.mark.parametrize("name", SPACES)
def test_choices_are_found_again_from_the_configuration_that_they_lead_to(name):
    study, space = make_study(), SPACES[name]
    # What --set makes of a study: plain values, validated again.
    plain = make_study(search=Search(space=space, num_configurations=1)).model_dump()
    again = validate(Study, json.loads(json.dumps(plain)), "plain").search.space
    for seed in range(50):
        draw = Noting(seed)
        point = choose(space, draw, TASKS)
        resolved = json.loads(json.dumps(study.configuration(point, "here").resolved()))
        found = parameters(space, resolved, TASKS)
        assert found.keys() == draw.chosen.keys()
        for key, value in draw.chosen.items():
            assert found[key] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)
            json.dumps(value)
        assert choose(space, Fixed(draw.chosen), TASKS) == point
        assert parameters(again, resolved, TASKS) == found
        same = study.configuration(choose(again, Fixed(draw.chosen), TASKS), "here")
        assert same.configuration_id == study.configuration(point, "here").configuration_id


@pytest.mark.parametrize("name", SPACES)
def test_everything_that_can_be_chosen_is(name):
    draws = [Noting(seed) for seed in range(300)]
    for draw in draws:
        choose(SPACES[name], draw, TASKS)
    for key, dimension in dimensions(SPACES[name]):
        if isinstance(dimension, Choice):
            taken = {draw.chosen[n] for draw in draws for n in draw.chosen if n == key or n.startswith(f"{key}[")}
            assert len(taken) == len(dimension.values)


def test_numbers_keep_to_their_range_and_spread_as_they_should():
    draws = [Noting(seed) for seed in range(400)]
    for draw in draws:
        choose({"a": Uniform(low=2, high=4), "b": LogUniform(low=0.01, high=100)}, draw, TASKS)
    a, b = ([draw.chosen[name] for draw in draws] for name in "ab")
    assert 2 <= min(a) < 2.1 < 3.9 < max(a) <= 4
    assert sum(value < 3 for value in a) == pytest.approx(200, abs=50)
    assert 0.01 <= min(b) < 0.02 < 50 < max(b) <= 100
    assert sum(value < 1 for value in b) == pytest.approx(200, abs=50)


def test_a_simplex_has_the_sum_t_one_dimension_less_and_bounded_ratios():
    space = {"weighting.loss_weights": Simplex(ratio=5)}
    for seed in range(50):
        draw = Noting(seed)
        weights = choose(space, draw, TASKS)["weighting.loss_weights"]
        assert math.fsum(weights.values()) == pytest.approx(3, rel=1e-14)
        assert len(draw.chosen) == 2
        for task in ("reg", "reid"):
            assert weights[task] / weights["cls"] * (1 + 1e-12) >= 1 / 5
            assert weights[task] / weights["cls"] <= 5 * (1 + 1e-12)
    scaled = {"weighting": {"loss_weights": {"cls": 20.0, "reg": 10.0}}}
    with pytest.raises(UserError, match=r"reid/cls: 0\.05 is outside \[0\.2, 5\]"):
        parameters(space, scaled, TASKS)
    assert parameters(space, scaled, TASKS[:2]) == {"weighting.loss_weights.reg/cls": 0.5}


def test_loss_weights_that_are_not_set_are_one():
    plain = {"weighting": {"loss_weights": {"reg": 2.0}}}
    found = parameters({"weighting.loss_weights": Weights()}, plain, TASKS)
    assert list(found.values()) == [1.0, 2.0, 1.0]


def test_a_component_comes_before_its_settings():
    point = choose(SPACES["setting of every component, before it"], RandomDraw(random.Random(0)), TASKS)
    assert list(point) == ["weighting", "weighting.lr"]
    configuration = make_study().configuration(point, "here")
    assert configuration.weighting.lr == point["weighting.lr"]


@pytest.mark.parametrize(
    ("dimension", "plain", "message"),
    [
        (Uniform(low=0, high=1), 1.5, r"x: 1\.5 is outside \[0, 1\]"),
        (LogUniform(low=0.1, high=1), 0.05, r"x: 0\.05 is outside \[0\.1, 1\]"),
        (Uniform(low=0, high=1), None, "x: None is not a number"),
        (Uniform(low=0, high=1), True, "x: True is not a number"),
        (Integer(low=1, high=5), 6, r"x: 6 is outside \[1, 5\]"),
        (Integer(low=1, high=5), 2.5, r"x: 2\.5 is no whole number"),
        (Weights(), {"cls": 20.0}, r"x\.cls: 20 is outside \[0\.1, 10\]"),
        (Weights(), 3, "loss weights are 3, expected one number for each of cls, reg, reid"),
        (Simplex(), {"cls": 0.0}, r"x\.cls is 0, and the other weights are searched as ratios to it"),
        (Choice(values=(1, 2)), 3, "x: 3 is none of the values of the choice"),
        (Choice(values=(hwf.Config(), famo.Config())), {"kind": "dwa"}, r"x: .*dwa.* is none of the values"),
    ],
)
def test_what_lies_outside_is_told(dimension, plain, message):
    with pytest.raises(UserError, match=message):
        parameters({"x": dimension}, {"x": plain}, TASKS)


def test_a_value_an_ulp_outside_is_taken_for_the_border():
    low = 1 / 3
    for value in (math.nextafter(low, 0), math.nextafter(0.9, 1)):
        (found,) = parameters({"x": Uniform(low=low, high=0.9)}, {"x": value}, TASKS).values()
        assert low <= found <= 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(low=1, high=1), r"low 1\.0 is not below high 1\.0"),
        (lambda: LogUniform(low=0, high=1), "greater than 0"),
        (lambda: Integer(low=0, high=4, log=True), "low is 0, and log=True needs at least 1"),
        (lambda: Simplex(ratio=1), "greater than 1"),
        (lambda: Uniform(low=0, hihg=1), "unknown key 'hihg'; did you mean 'high'"),
        (lambda: Choice(values=(1,)), "at least 2 items"),
        (lambda: Choice(values=(1, 2, 1)), "two values of a choice are 1"),
        (lambda: Choice(values=(lwf.Config(), Option(value=lwf.Config()))), "two values of a choice are"),
    ],
)
def test_impossible_dimensions_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"weighting.loss_weights": Simplex(), "weighting.loss_weights.cls": Uniform(low=0, high=1)},
            "weighting.loss_weights.cls is searched twice: by itself, and by weighting.loss_weights",
        ),
        (
            {"weighting": CONDITIONAL, "weighting.lr": Uniform(low=0, high=1)},
            "weighting.lr is searched twice: by itself, and by an option of a choice",
        ),
        (
            {
                "weighting": Choice(values=(Option(value=hwf.Config(), space={"train.lr.x": Simplex()}), lwf.Config())),
                "train.lr": Uniform(low=0, high=1),
            },
            "train.lr.x is searched twice",
        ),
    ],
)
def test_a_setting_that_two_dimensions_choose_is_refused(space, message):
    with pytest.raises(ValidationError, match=message):
        Search(space=space, num_configurations=1)


def test_choices_that_were_not_made_or_cannot_be_are_told():
    space = {"train.optimizer": Choice(values=("adam", "adamw")), "train.lr": Uniform(low=0, high=1)}
    with pytest.raises(UserError, match=r"train\.lr: not chosen"):
        choose(space, Fixed({"train.optimizer": "adam"}), TASKS)
    with pytest.raises(UserError, match=r"train\.optimizer: 'sgd' is none of \['adam', 'adamw'\]"):
        choose(space, Fixed({"train.optimizer": "sgd", "train.lr": 0.5}), TASKS)
    with pytest.raises(UserError, match=r"train\.lr: 2 is outside \[0, 1\]"):
        choose(space, Fixed({"train.optimizer": "adam", "train.lr": 2}), TASKS)


def test_points_are_counted():
    assert num_points({"a": Integer(low=2, high=4), "b": Choice(values=("x", "y"))}) == 6
    assert num_points({"a": Integer(low=2, high=4), "b": Simplex()}) == math.inf
    optional = Option(value="x", space={"c": Integer(low=1, high=5), "d": Choice(values=(0, 1))})
    assert num_points({"b": Choice(values=(optional, "y"))}) == 11


def test_a_grid_has_every_combination_the_last_axis_fastest():
    points = grid({"train.lr": (0.1, 0.2), "weighting": (hwf.Config(), famo.Config())})
    expected = itertools.product((0.1, 0.2), (hwf.Config(), famo.Config()))
    assert [tuple(point.values()) for point in points] == list(expected)
    study = make_study(points)
    assert len({configuration.configuration_id for configuration in study.configurations()}) == 4


def test_normalized_weights_keep_their_ratios():
    assert normalized([1, 2, 3]) == [0.5, 1.0, 1.5]
    assert math.fsum(normalized([0.1] * 7)) == pytest.approx(7)


def test_settings_of_a_space_can_be_changed_by_text():
    study = make_study(search=Search(space={"weighting.loss_weights": Simplex()}, num_configurations=2))
    changed = set_keys(study.model_dump(), {"search.num_configurations": 5, "search.sampler": "gp"}, "--set")
    search = validate(Study, changed, "--set").search
    assert (search.num_configurations, search.sampler, search.space) == (5, "gp", study.search.space)
