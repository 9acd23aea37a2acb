"""How a study says that it searches: what fits together, what is refused, and how that is told."""

import pytest
from example_rows import make_study
from pydantic import ValidationError

from study.config import Study, set_keys
from study.errors import UserError
from study.frozen import validate
from study.search.metrics import refuse_unknown_metrics
from study.search_config import ASHA, Median, Population, Search
from study.space import LogUniform, Simplex

SPACE = {"weighting.loss_weights": Simplex()}


def search(**changes) -> Search:
    return Search(**({"space": SPACE, "num_configurations": 4} | changes))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: search(space={}), "at least 1 item"),
        (lambda: search(objectives=()), "at least 1 item"),
        (lambda: search(objectives=("val_mota", "val_mota")), "objectives: one stands there twice: val_mota, val_mota"),
        (
            lambda: search(sampler="cmaes", objectives=("val_mota", "val_idf1")),
            "cmaes has one objective; choose tpe, nsgaii, gp or random",
        ),
        (lambda: search(start=({},) * 5), "start has 5 points, and num_configurations is 4; raise it"),
        (lambda: search(sampler="bayes"), "'random', 'tpe', 'gp', 'cmaes' or 'nsgaii'"),
        (lambda: search(num_trials=3), "unknown key 'num_trials'"),
        (lambda: Population(size=1), "greater than or equal to 2"),
        (lambda: Population(size=2, start=({},) * 3), "start has 3 members, and size is 2; raise it"),
        (lambda: Population(factor=1), "greater than 1"),
        (lambda: Population(truncation=0.6), "less than or equal to 0.5"),
        (lambda: ASHA(reduction_factor=1), "greater than 1"),
        (lambda: make_study([{"train.lr": 0.1}], search=search()), "points and search: a study has either"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"search": search(objectives=("val_motta",))},
            r"search\.objectives\[0\]: 'val_motta' .*did you mean 'val_mota'",
        ),
        ({"search": search(objectives=("val_mota", "test_mota"))}, r"search\.objectives\[1\]: 'test_mota' is no valid"),
        ({"search": search(objectives=("val_loss",))}, "'val_loss' is no validation metric"),
        ({"search": Population(metric="device_seconds")}, "search.metric: 'device_seconds' is no validation metric"),
        ({"early_stopping": ASHA(metric="device_seconds")}, "early_stopping.metric: 'device_seconds' is no validation"),
        ({"early_stopping": Median(), "train.validate_every": 4}, r"every 4 of 4 epochs .*nothing would ever stop"),
        (
            {"search": Population(epochs_per_generation=2), "train.validate_every": 4},
            r"epochs_per_generation is 2, and there are figures every 4 epochs only .*make it a multiple",
        ),
        (
            {"search": Population(epochs_per_generation=3), "train.validate_every": 2},
            r"epochs_per_generation is 3, and there are figures every 2 epochs only",
        ),
        ({"search": Population(), "early_stopping": ASHA()}, r"members of a population .* remove one of the two"),
    ],
)
def test_figures_that_cannot_judge_are_refused(changes, message):
    study = validate(Study, set_keys(make_study().model_dump(), changes, "test"), "test")
    with pytest.raises(UserError, match=message):
        refuse_unknown_metrics(study)


@pytest.mark.parametrize(
    "changes",
    [
        {"search": search(objectives=("val_mota", "device_seconds"), sampler="nsgaii")},
        {"search": search(objectives=("val_idsw",), space={"train.lr": LogUniform(low=0.1, high=1)})},
        {"search": Population(epochs_per_generation=2), "train.validate_every": 1},
        {"search": search(), "train.validate_every": 4},
        {"early_stopping": Median(metric="val_ap"), "train.validate_every": 2},
    ],
)
def test_figures_that_can_judge_pass(changes):
    refuse_unknown_metrics(validate(Study, set_keys(make_study().model_dump(), changes, "test"), "test"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("search.num_configurations", 0, "--set: search.num_configurations: Input should be greater than 0, found 0"),
        ("search.finalist", 0, "--set: search: unknown key 'finalist'; did you mean 'finalists'?"),
        (
            "search.space",
            {"train.lr": {"kind": "uniform", "low": "x", "high": 1}},
            "--set: search.space.train.lr.low: ",
        ),
        ("early_stopping.grace_epochs", 0, "--set: early_stopping.grace_epochs: Input should be greater than 0"),
        ("execution.budget_device_seconds", "2x", "--set: execution.budget_device_seconds: '2x' is no length of time"),
    ],
)
def test_mistakes_are_told_by_the_key_as_it_was_set(key, value, message):
    study = make_study(search=search(), early_stopping=ASHA())
    with pytest.raises(UserError) as caught:
        validate(Study, set_keys(study.model_dump(), {key: value}, "--set"), "--set")
    assert str(caught.value).startswith(message)


def test_a_setting_of_a_search_that_a_study_does_not_have():
    for key, part in (("search.num_configurations", "search"), ("early_stopping.metric", "early_stopping")):
        with pytest.raises(UserError, match=f"--set: '{key}': {part} is not set in a study; set all of it, or in the"):
            set_keys(make_study().model_dump(), {key: 3}, "--set")
