"""Which rows and starting points are trials of a search, and what is refused before anything runs."""

import json
import random
from dataclasses import replace

import pytest
from example_rows import DATA_HASH, make_row
from searches import kept, search_study

from study.draw import RandomDraw
from study.errors import UserError
from study.search.known import at, known_trials, make_trial, parameters_of, possible_configurations, start_points
from study.search_config import Population
from study.space import Choice, Integer, LogUniform, Option, Simplex, Uniform, Weights, choose
from study.weighting import famo, gradnorm, hwf, lwf

SPACE = {"weighting.loss_weights": Weights(low=0.1, high=10)}


def trial_of(study, values, seed=0):
    chosen = {f"weighting.loss_weights.{task}": value for task, value in values.items()}
    configuration = at(study, study.search, chosen, "here")
    return make_trial(configuration, seed, DATA_HASH, 0, chosen)


ONE, TWO, THREE = ({"cls": cls, "reg": 1.0, "reid": 1.0} for cls in (0.5, 1.0, 2.0))


def test_starting_points_and_rows_of_every_status_are_known():
    study = search_study(5, space=SPACE, start=({"weighting.loss_weights": ONE},), seeds=(0, 1))
    rows = [make_row(trial_of(study, TWO), status="interrupted"), make_row(trial_of(study, THREE), 0.5)]
    rows += [make_row(trial_of(study, THREE, seed=1), 0.5)]
    known = known_trials(study, kept(*rows), DATA_HASH)
    assert [t.configuration.weighting.loss_weights["cls"] for t in known] == [0.5, 1.0, 2.0, 2.0]
    assert [trial.seed for trial in known] == [0, 0, 0, 1]
    assert [trial.index for trial in known] == [0, 1, 2, 3]
    assert {trial.trial_id for trial in known[1:]} == {row["trial_id"] for row in rows}


def test_rows_come_in_the_order_in_which_their_trials_began_also_without_an_attempt():
    study = search_study(5, space=SPACE)
    trials = [trial_of(study, values) for values in (ONE, TWO, THREE)]
    # Killed before its first attempt began.
    rows = [make_row(trial, status="interrupted", ledger=[]) for trial in trials[:2]] + [make_row(trials[2], 0.5)]
    assert rows[0]["started_at"] is None
    known = known_trials(study, kept(*rows[::-1]), DATA_HASH)
    assert [trial.trial_id for trial in known] == [trials[2].trial_id, trials[0].trial_id, trials[1].trial_id]


@pytest.mark.parametrize("values", [{"data_hash": "f" * 16}, {"imported_from": "past.csv"}, {"seed": 3}])
def test_rows_that_are_none_of_this_search(values):
    study = search_study(5, space=SPACE)
    assert known_trials(study, kept(make_row(trial_of(study, ONE), 0.5) | values), DATA_HASH) == ()


def test_rows_outside_of_the_space_are_not_known():
    study = search_study(5, space=SPACE)
    narrow = search_study(5, space={"weighting.loss_weights": Weights(low=0.9, high=10)})
    rows = [make_row(trial_of(study, values), 0.5) for values in (ONE, TWO, THREE)]
    assert len(known_trials(study, kept(*rows), DATA_HASH)) == 3
    assert len(known_trials(narrow, kept(*rows), DATA_HASH)) == 2
    longer = search_study(5, space=SPACE, train={"epochs": 5})
    assert known_trials(longer, kept(*rows), DATA_HASH) == ()


def test_a_row_of_a_grid_is_known_by_its_configuration():
    study = search_study(5, space=SPACE)
    planned = replace(trial_of(study, ONE), suggested=None)
    (known,) = known_trials(study, kept(make_row(planned, 0.5)), DATA_HASH)
    assert known.suggested == {"weighting.loss_weights." + task: value for task, value in ONE.items()}


def test_parameters_are_those_that_were_noted_to_the_last_bit():
    study = search_study(5)
    for seed in range(20):
        point = choose(study.search.space, RandomDraw(random.Random(seed)), study.objective.tasks)
        weights = point["weighting.loss_weights"]
        chosen = {f"weighting.loss_weights.{task}/cls": weights[task] / weights["cls"] for task in ("reg", "reid")}
        trial = make_trial(at(study, study.search, chosen, "x"), 0, DATA_HASH, 0, chosen)
        row = json.loads(json.dumps(make_row(trial, 0.5), default=str))
        assert parameters_of(study, study.search, row) == chosen


def test_starting_points_on_a_simplex_get_the_sum_t():
    study = search_study(2, start=({"weighting.loss_weights": {"cls": 1, "reg": 2, "reid": 3}}, {}))
    (first, chosen), (second, _) = start_points(study, study.search)
    assert list(first.weighting.loss_weights.values()) == pytest.approx([0.5, 1.0, 1.5])
    assert list(chosen.values()) == pytest.approx([2, 3])
    assert list(second.weighting.loss_weights.values()) == [1, 1, 1]


METHODS = {
    "weighting": Choice(
        values=(
            Option(value=hwf.Config(), space={"weighting.loss_weights": Simplex()}),
            Option(value=lwf.Config(), space={"weighting.lr": LogUniform(low=1e-4, high=0.1)}),
            gradnorm.Config(),
        )
    )
}


@pytest.mark.parametrize(
    ("space", "start", "message"),
    [
        (
            SPACE,
            {"weighting.loss_weights": {"cls": 0.01}},
            r"start\[0\] is outside of search.space: .*cls: 0\.01 is",
        ),
        (SPACE, {"train.epochs": 6}, r"start\[0\] sets train\.epochs, which search\.space does not search there"),
        (SPACE, {"weighting": famo.Config()}, r"start\[0\] is outside of search.space: loss weights are None"),
        (SPACE, {"train.epoks": 6}, r"start\[0\]: train: unknown key 'epoks'; did you mean 'epochs'"),
        (METHODS, {"weighting": famo.Config()}, r"start\[0\] is outside .* none of the values of the choice"),
        (METHODS, {"weighting": lwf.Config(lr=1.0)}, r"start\[0\] is outside of search.space: .*: 1 is outside"),
        (METHODS, {"weighting": gradnorm.Config(lr=0.5)}, r"start\[0\] is outside .* none of the values of the choice"),
        (METHODS, {"weighting": lwf.Config(), "train.lr": 0.5}, r"start\[0\] sets train\.lr, which"),
    ],
)
def test_starting_points_that_the_search_could_not_suggest_are_refused(space, start, message):
    study = search_study(2, space=space, start=(start,))
    with pytest.raises(UserError, match=message) as caught:
        start_points(study, study.search)
    assert "\n" not in str(caught.value)


def test_every_value_of_every_choice_is_looked_at_before_anything_runs():
    values = tuple(Option(value=i, space={"train.warmup_steps": Choice(values=tuple(range(30)))}) for i in range(1, 31))
    study = search_study(2, space={"train.batch_size": Choice(values=values), "train.epochs": Integer(low=1, high=9)})
    looked_at = possible_configurations(study)
    assert {configuration.train.batch_size for configuration in looked_at} == set(range(1, 31))
    for space in (
        {"train.batch_size": Choice(values=(*range(1, 99), 0))},
        {"train.lr": Uniform(low=-1, high=-0.5)},
        {"weighting.lr": Uniform(low=0, high=1)},
    ):
        with pytest.raises(UserError, match=r"^search\.space: (train|weighting)"):
            possible_configurations(search_study(2, space=space))


def test_members_of_a_population_that_begin_alike_are_refused():
    start = ({"cls": 1.0, "reg": 2.0, "reid": 3.0}, {}, {"cls": 0.5, "reg": 1.0, "reid": 1.5})
    study = search_study(2).model_copy(update={"search": Population(size=4, start=start, weights=Simplex())})
    with pytest.raises(UserError, match=r"search\.start\[0\] and search\.start\[2\] are the same loss weights"):
        possible_configurations(study)
