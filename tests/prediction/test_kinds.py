import json

import pytest
from tiny_trials import DEFAULTS, configuration

from study.prediction.kinds import kind_of
from study.weighting import gradnorm, hwf, lwf, uncertainty


def kind(*arguments, **settings):
    return kind_of(configuration(*arguments, **settings).resolved())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lwf.Config(), lwf.Config(lr=0.5)),
        (hwf.Config(), hwf.Config(loss_weights={"cls": 2.0, "reg": 0.5})),
        (gradnorm.Config(alpha=0.5), gradnorm.Config(alpha=2)),
    ],
)
def test_a_float_of_the_weighting_costs_nothing(one, other):
    assert kind(one) == kind(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lwf.Config(), lwf.Config(channels=64)),
        (lwf.Config(), lwf.Config(detach_input=True)),
        (gradnorm.Config(), gradnorm.Config(gramian_at="shared_features")),
        (uncertainty.Config(), uncertainty.Config(forms={"reg": "regression"})),
    ],
)
def test_other_settings_of_the_weighting_make_another_kind(one, other):
    assert kind(one) != kind(other)


def test_every_weighting_is_a_kind_of_its_own():
    assert len({kind(config) for config in DEFAULTS.values()}) == len(DEFAULTS)


def test_how_long_a_trial_is_does_not_matter_but_what_a_step_does():
    assert kind(hwf.Config(), lr=0.1, epochs=7, steps_per_epoch=3, validate_every=5) == kind(hwf.Config())
    for changes in ({"batch_size": 8}, {"optimizer": "adam"}, {"precision": "bfloat16"}, {"tracker": {"width": 16}}):
        assert kind(hwf.Config(), **changes) != kind(hwf.Config()), changes


def test_a_row_names_its_kind_like_the_configuration_it_came_from():
    for config in DEFAULTS.values():
        resolved = configuration(config).resolved()
        assert kind_of(json.loads(json.dumps(resolved))) == kind_of(resolved)
