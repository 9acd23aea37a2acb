"""Configurations: what is refused and how it is told, what is hashed, and components from outside the package."""

import json
import sys

import pytest

from study.components import load_component
from study.config import (
    Configuration,
    Data,
    Objective,
    Study,
    TrackerConfig,
    Train,
    WeightingConfig,
    set_keys,
    trial_id,
    validate,
)
from study.errors import UserError
from study.losses import classification, regression
from study.losses.objectives import CLS_REG, CLS_REG_REID
from study.tracker import chained
from study.weighting import hwf

GOLDEN_ID = "c54ec18824de65b6"
"""Of `configuration()`. It changes when a setting is added, renamed or gets another default: every finished trial of
every user then runs again. Change it only if that is meant.
"""


def configuration(**changes) -> Configuration:
    parts = {
        "data": Data(root="synthetic:tiny", train=("a", "b"), val=("c",)),
        "tracker": chained.Config(),
        "objective": CLS_REG_REID,
        "weighting": hwf.Config(loss_weights={"cls": 1.0, "reg": 0.5, "reid": 1.5}),
    }
    return Configuration(**(parts | changes))


def study(**changes) -> Study:
    parts = {"tracker": chained.Config(), "objective": CLS_REG_REID, "weighting": hwf.Config()}
    return Study(**({"name": "example", "description": "for tests"} | parts | changes))


@pytest.fixture
def foreign_module(tmp_path, monkeypatch):
    """A user's package with a weighting, and modules that hold none."""
    package = tmp_path / "their_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "constant.py").write_text(
        "from study.config import WeightingConfig\n"
        "class Config(WeightingConfig):\n"
        "    factor: float = 2.0\n"
        "    def build(self, tasks):\n"
        "        return self.factor, tuple(tasks)\n"
    )
    (tmp_path / "their_single_file.py").write_text((package / "constant.py").read_text())
    (package / "empty.py").write_text("")
    (package / "wrong.py").write_text("class Config:\n    pass\n")
    (package / "broken.py").write_text("import a_package_they_forgot_to_install\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "their_parts.constant"
    for name in [name for name in sys.modules if name.startswith("their_")]:
        del sys.modules[name]


def test_golden_hash():
    assert configuration().configuration_id == GOLDEN_ID


def test_resolved_configuration_holds_every_default_and_goes_through_json():
    resolved = json.loads(json.dumps(configuration().resolved()))
    assert resolved["train"] == Train().model_dump(mode="json", exclude={"start_from", "compile"})  # unset, came later
    assert resolved["tracker"]["association"]["chain_iou"] == chained.Config().association.chain_iou
    assert [loss["kind"] for loss in resolved["objective"]["task_losses"]] == [
        "classification",
        "regression",
        "id_verification",
    ]
    again = validate(Configuration, resolved, "file")
    assert again.data.root is None
    assert again.resolved() == configuration().resolved()
    assert again.configuration_id == configuration().configuration_id
    assert again == configuration(data=configuration().data.model_copy(update={"root": None}))


def test_the_place_of_the_data_is_not_hashed_but_what_is_selected_is():
    same = configuration(data=Data(root="/elsewhere", train=("a", "b"), val=("c",)))
    other = configuration(data=Data(root="synthetic:tiny", train=("a", "b[1-10]"), val=("c",)))
    assert same.configuration_id == configuration().configuration_id
    assert other.configuration_id != configuration().configuration_id


def test_spelling_out_a_default_changes_nothing():
    spelled = configuration(train=Train(epochs=Train().epochs, lr=Train().lr))
    assert spelled.configuration_id == configuration().configuration_id
    assert spelled == configuration()


def test_the_order_of_keys_does_not_count_but_that_of_tasks_does():
    plain = configuration().resolved()
    backwards = json.loads(json.dumps(plain, sort_keys=True), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert list(backwards) != list(plain)
    assert validate(Configuration, backwards, "x").configuration_id == configuration().configuration_id
    swapped = Objective(name=CLS_REG_REID.name, task_losses=CLS_REG_REID.task_losses[::-1])
    assert configuration(objective=swapped).configuration_id != configuration().configuration_id


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.lr", 1e-3),
        ("train.clip_grad_norm", None),
        ("data.augmentation.max_scale", 1.3),
        ("data.image_size", (96, 64)),
        ("tracker.association.max_missed", 11),
        ("tracker.width", 8),
        ("weighting.loss_weights", {"cls": 1.0, "reg": 0.5, "reid": 1.25}),
        ("objective", CLS_REG),
        ("objective.name", "renamed"),
    ],
)
def test_every_setting_is_hashed(key, value):
    changed = validate(Configuration, set_keys(configuration().model_dump(), {key: value}, "x"), "x")
    assert changed.configuration_id != configuration().configuration_id


def test_integers_and_equal_floats_are_one_configuration():
    as_integers = configuration(weighting=hwf.Config(loss_weights={"cls": 1, "reg": 0.5, "reid": 1.5}))
    assert as_integers.configuration_id == configuration().configuration_id


def test_trials_differ_by_seed_and_data():
    ids = {trial_id("c", 0, "d"), trial_id("c", 1, "d"), trial_id("c", 0, "e"), trial_id("b", 0, "d")}
    assert len(ids) == 4
    assert trial_id("c", 0, "d") in ids


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trian.epochs": 2}, "--set: unknown key 'trian.epochs': no 'trian' in a study; did you mean 'train'?"),
        ({"train.epoch": 2}, "--set: train: unknown key 'epoch'; did you mean 'epochs'?"),
        (
            {"data.augmentations.flip": 1},
            "--set: unknown key 'data.augmentations.flip': no 'augmentations' in data; did you mean 'augmentation'?",
        ),
        ({"train.epochs.x": 2}, "--set: unknown key 'train.epochs.x': no 'epochs' in train; did you mean 'epochs'?"),
        ({"tracker.widht": 8}, "--set: tracker: unknown key 'widht'; did you mean 'width'?"),
        (
            {"weighting.kind": "hfw"},
            "--set: weighting: kind: no module 'hfw' in study.weighting or on PYTHONPATH; did you mean 'hwf'?",
        ),
        ({"weighting.kind": 3}, "--set: weighting: needs a 'kind': "),
        ({"train.epochs": "two"}, "--set: train.epochs: Input should be a valid integer, "),
        ({"train.epochs": 0}, "--set: train.epochs: Input should be greater than 0, found 0"),
        ({"train.lr": float("nan")}, "--set: train.lr: Input should be a finite number, found nan"),
        ({"train.epochs": 0, "train.lr": -1}, "found 0 (and 1 more)"),
        ({"data.image_size": (96,)}, "--set: data.image_size.1: Field required, found (96,)"),
        ({"data.augmentation.min_scale": 2}, "--set: data.augmentation: min_scale 2.0 is above max_scale 1.2"),
        ({"seeds": ()}, "--set: seeds: "),
        ({"name": "a/b"}, "--set: name: "),
    ],
)
def test_mistakes_are_one_line_with_key_and_value(values, message):
    with pytest.raises(UserError) as caught:
        validate(Study, set_keys(study().model_dump(), values, "--set"), "--set")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_configurations_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        configuration().train.epochs = 3  # type: ignore[misc]


def test_setting_keys_leaves_the_base_alone():
    base = study().model_dump()
    before = json.dumps(base, default=str)
    changed = set_keys(base, {"train.epochs": 3, "data.augmentation.flip_probability": 0}, "x")
    assert (changed["train"]["epochs"], changed["data"]["augmentation"]["flip_probability"]) == (3, 0)
    assert json.dumps(base, default=str) == before


def test_another_kind_drops_the_settings_of_the_one_before(foreign_module):
    base = study(weighting=hwf.Config(loss_weights={"cls": 2.0})).model_dump()
    switched = validate(Study, set_keys(base, {"weighting.kind": foreign_module, "weighting.factor": 3}, "x"), "x")
    assert switched.weighting.model_dump() == {"kind": foreign_module, "factor": 3.0}
    same = validate(Study, set_keys(base, {"weighting.kind": "hwf"}, "x"), "x")
    assert same.weighting == hwf.Config(loss_weights={"cls": 2.0})


@pytest.mark.parametrize("kind", ["their_parts.constant", "their_single_file"])
@pytest.mark.usefixtures("foreign_module")
def test_a_component_by_its_full_module_path(kind):
    config = validate(Configuration, configuration().resolved() | {"weighting": {"kind": kind}}, "x")
    assert config.weighting.build(config.objective.tasks) == (2.0, ("cls", "reg", "reid"))
    assert config.resolved()["weighting"] == {"kind": kind, "factor": 2.0}
    again = validate(Configuration, json.loads(json.dumps(config.resolved())), "x")
    assert again.configuration_id == config.configuration_id
    assert again.weighting == config.weighting


def test_a_built_in_component_by_its_full_module_path():
    built_in = validate(Configuration, configuration().resolved() | {"weighting": {"kind": "study.weighting.hwf"}}, "x")
    assert built_in.weighting == hwf.Config()
    assert built_in.resolved()["weighting"]["kind"] == "hwf"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("their_parts.missing", "no module 'their_parts.missing' in study.weighting or on PYTHONPATH"),
        ("their_part.constant", "no module 'their_part.constant' in study.weighting or on PYTHONPATH"),
        ("their_parts.empty", "has no class 'Config' deriving from study.config.WeightingConfig"),
        ("their_parts.wrong", "has no class 'Config' deriving from study.config.WeightingConfig"),
        ("study.tracker.chained", "has no class 'Config' deriving from study.config.WeightingConfig"),
        ("base", "has no class 'Config' deriving from study.config.WeightingConfig"),
    ],
)
@pytest.mark.usefixtures("foreign_module")
def test_what_is_no_component(kind, message):
    with pytest.raises(UserError, match=message):
        load_component("study.weighting", WeightingConfig, kind)


@pytest.mark.usefixtures("foreign_module")
def test_an_import_that_fails_inside_a_users_module_is_not_taken_for_a_wrong_kind():
    with pytest.raises(ModuleNotFoundError, match="a_package_they_forgot_to_install"):
        load_component("study.weighting", WeightingConfig, "their_parts.broken")


def test_the_nearest_built_in_component_is_suggested():
    with pytest.raises(UserError, match="did you mean 'chained'"):
        load_component("study.tracker", TrackerConfig, "chaned")


def test_an_objective_names_each_task_once_and_has_two_at_least():
    twice = (classification.Config(), regression.Config(), classification.Config(gamma=1.0))
    with pytest.raises(ValueError, match="two task losses share a name: cls, reg, cls"):
        Objective(name="twice", task_losses=twice)
    with pytest.raises(ValueError, match="has 1 task losses, expected at least 2"):
        Objective(name="one", task_losses=(classification.Config(),))
    renamed = Objective(name="twice", task_losses=(*twice[:2], classification.Config(name="cls1", gamma=1.0)))
    assert renamed.tasks == ("cls", "reg", "cls1")


def test_a_study_has_one_configuration_for_each_point():
    points = (
        {"weighting": hwf.Config(loss_weights={"reg": 0.5})},
        {"train.lr": 1e-3, "objective": CLS_REG, "tracker.towers": ("cls", "reg")},
        {},
    )
    first, second, base = study(points=points, train=Train(epochs=3)).configurations()
    assert first.weighting == hwf.Config(loss_weights={"reg": 0.5})
    assert (second.train.lr, second.objective.tasks, second.tracker.towers) == (1e-3, ("cls", "reg"), ("cls", "reg"))
    assert {c.train.epochs for c in (first, second, base)} == {3}
    assert study().configurations() == (
        Configuration(data=Data(), tracker=chained.Config(), objective=CLS_REG_REID, weighting=hwf.Config()),
    )


def test_a_mistake_in_a_point_names_the_point():
    with pytest.raises(UserError, match=r"points\[1\]: train: unknown key 'epoch'; did you mean 'epochs'"):
        study(points=({}, {"train.epoch": 3})).configurations()


def test_seeds_and_execution_are_no_part_of_a_configuration():
    one, other = study(seeds=(0,)), study(seeds=(1, 2), execution={"workers": 2})
    assert one.configurations() == other.configurations()


def test_a_study_goes_through_plain_values():
    points = ({"weighting": hwf.Config(loss_weights={"reg": 0.5})}, {"train.lr": 1e-3})
    original = study(points=points)
    assert validate(Study, original.model_dump(), "x").configurations() == original.configurations()
