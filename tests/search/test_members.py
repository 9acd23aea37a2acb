"""Generations of a population: what follows from the rows, and from nothing else."""

import math
import random
from collections import Counter

import pytest
from example_rows import DATA_HASH, make_row
from searches import kept, population_study

from study.errors import UserError
from study.search.members import generations, num_generations
from study.space import Simplex, Weights


def row_of(trial, figure, status=None, **values):
    status = status or ("pruned" if trial.until else "completed")
    metrics = {} if figure is None else {"val_mota": figure, "val_idsw": None}
    return make_row(
        trial, figure, status=status, metrics=metrics, epochs=trial.until or trial.configuration.train.epochs, **values
    )


def play(study, figures_of_generation=lambda _: [0.6, 0.1, 0.5, 0.2, 0.4, 0.3]):
    """All generations of a population whose members have these figures, and the rows they leave."""
    rows = []
    for number in range(num_generations(study)):
        members = generations(study, kept(*rows), DATA_HASH)[number]
        rows += [row_of(trial, figure) for trial, figure in zip(members, figures_of_generation(number), strict=True)]
    return generations(study, kept(*rows), DATA_HASH), rows


def stages(trial):
    return trial.configuration.weighting.stages


def test_generations_follow_from_the_rows_whatever_their_order():
    study = population_study()
    found, rows = play(study)
    again, _ = play(study)
    assert again == found
    random.Random(0).shuffle(rows)
    assert generations(study, kept(*rows), DATA_HASH) == found
    assert [len(members) for members in found] == [6, 6, 6]
    assert len({trial.trial_id for members in found for trial in members}) == 18
    assert [trial.index for members in found for trial in members] == list(range(18))


def test_another_seed_of_draws_is_another_population():
    one, other = (play(population_study(sampler_seed=seed))[0] for seed in (0, 1))
    assert not {t.trial_id for ms in one for t in ms} & {t.trial_id for ms in other for t in ms}


def test_the_worst_take_over_the_best_and_the_others_go_on_as_they_are():
    (first, second, third), _ = play(population_study(truncation=0.34))
    best, worst = {0, 2}, {1, 3}  # by the figures of `play`
    for before, after in ((first, second), (second, third)):
        for member in range(6):
            parents = [trial.trial_id for trial in before]
            parent = parents.index(after[member].parent)
            assert parent in best if member in worst else parent == member
            assert stages(after[member])[:-1] == stages(before[parent])
            kept_on, new = stages(after[member])[-2:]
            if member not in worst:
                assert new == kept_on
            else:
                assert new != kept_on
                assert math.fsum(new.values()) == pytest.approx(3)
                ratios = [(new[a] / new[b]) / (kept_on[a] / kept_on[b]) for a in new for b in new]
                assert all(ratio * (1 + 1e-9) >= 1 / 1.25**2 and ratio <= 1.25**2 * (1 + 1e-9) for ratio in ratios)


@pytest.mark.parametrize(
    ("size", "truncation", "replaced"),
    [(2, 0.5, 1), (3, 0.5, 1), (5, 0.01, 1), (6, 0.34, 2), (7, 0.5, 3)],
)
def test_so_many_are_replaced(size, truncation, replaced):
    study = population_study(size=size, truncation=truncation)
    (first, second, _), _ = play(study, lambda _: [i / 10 for i in range(size)])
    parents = Counter(trial.parent for trial in second)
    survivors = {trial.trial_id for trial in first[replaced:]}
    assert set(parents) == survivors
    assert sum(parents[trial.trial_id] for trial in first[-replaced:]) == 2 * replaced


def test_every_member_says_where_it_comes_from_and_how_far_it_goes():
    study = population_study(epochs=5)
    (first, second, third), _ = play(study)
    assert [(t.until, t.parent) for t in first] == [(2, None)] * 6
    assert {trial.until for trial in second} == {4}
    assert {trial.until for trial in third} == {None}  # the last generation is cut short by the end of the training
    assert num_generations(study) == 3
    for number, members in enumerate((first, second, third), 1):
        for place, trial in enumerate(members, 1):
            assert len(stages(trial)) == number
            assert trial.configuration.weighting.epochs_per_stage == 2
            assert trial.suggested == {"generation": number, "member": place, **stages(trial)[-1]}
            assert trial.seed == 0


def test_a_generation_that_has_not_ended_is_the_last():
    study = population_study()
    _, rows = play(study)
    (first,) = generations(study, [], DATA_HASH)
    assert len(generations(study, kept(*rows[:5]), DATA_HASH)) == 1
    assert len(generations(study, kept(*rows[:6]), DATA_HASH)) == 2
    assert len(generations(study, kept(*rows[:11]), DATA_HASH)) == 2
    interrupted = [*rows[:5], rows[5] | {"status": "interrupted"}]
    assert generations(study, kept(*interrupted), DATA_HASH) == [first]


@pytest.mark.parametrize("status", ["failed", "oom", "timeout", "diverged"])
def test_a_member_without_a_figure_counts_as_the_worst(status):
    study = population_study(truncation=0.34)
    (first,) = generations(study, [], DATA_HASH)
    figures = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    rows = [row_of(trial, figure) for trial, figure in zip(first, figures, strict=True)]
    rows[5] = row_of(first[5], None, status=status)
    _, second = generations(study, kept(*rows), DATA_HASH)
    places = [[trial.trial_id for trial in first].index(trial.parent) for trial in second]
    assert places[1:5] == [1, 2, 3, 4]
    assert {places[0], places[5]} <= {3, 4}


@pytest.mark.parametrize("figure", [math.nan, None])
def test_all_without_a_figure_go_on(figure):
    study = population_study()
    (first,) = generations(study, [], DATA_HASH)
    rows = [row_of(trial, figure, status="pruned") for trial in first]
    assert len(generations(study, kept(*rows), DATA_HASH)[1]) == 6


def test_less_is_better_for_some_metrics():
    study = population_study(metric="val_idsw", size=2)
    (first,) = generations(study, [], DATA_HASH)
    rows = [row_of(trial, 0.5) | {"val_idsw": idsw} for trial, idsw in zip(first, (7, 3), strict=True)]
    _, second = generations(study, kept(*rows), DATA_HASH)
    assert {trial.parent for trial in second} == {first[1].trial_id}


def test_loss_weights_are_drawn_anew_now_and_then():
    weights = Weights(low=0.1, high=10)
    (first, second, _), _ = play(population_study(resample_probability=1.0, weights=weights))
    for member in (1, 3):
        ratios = [stages(second[member])[1][task] / stages(second[member])[0][task] for task in ("cls", "reg", "reid")]
        assert any(not 1 / 1.25 <= ratio <= 1.25 for ratio in ratios)
    assert {trial.parent for trial in second} <= {trial.trial_id for trial in first}


def test_raw_loss_weights_stay_in_their_range():
    weights = Weights(low=0.9, high=1.1)
    found, _ = play(population_study(weights=weights, factor=3.0, epochs=20, epochs_per_generation=1))
    values = [weight for members in found for trial in members for stage in stages(trial) for weight in stage.values()]
    assert min(values) == 0.9
    assert max(values) == 1.1


def test_the_first_members_begin_where_the_study_says_so():
    start = ({"cls": 1.0, "reg": 2.0, "reid": 3.0}, {"cls": 4.0})
    (first,) = generations(population_study(start=start, weights=Simplex(ratio=5)), [], DATA_HASH)
    begin = [list(stages(trial)[0].values()) for trial in first]
    assert begin[0] == pytest.approx([0.5, 1.0, 1.5])
    assert begin[1] == pytest.approx([2.0, 0.5, 0.5])
    assert len({tuple(weights) for weights in begin}) == 6
    raw = population_study(start=start, weights=Weights(low=0.5, high=2.5))
    assert list(stages(generations(raw, [], DATA_HASH)[0][0])[0].values()) == [1.0, 2.0, 2.5]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (({}, {"cls": 2.0, "reg": 2.0, "reid": 2.0}), r"search\.start\[0\] and search\.start\[1\] are the same"),
        (({}, {"cls": 0.0, "reg": 0.0, "reid": 0.0}), r"search\.start\[1\]: every loss weight is 0"),
    ],
)
def test_members_that_cannot_begin_are_refused(start, message):
    with pytest.raises(UserError, match=message):
        generations(population_study(start=start), [], DATA_HASH)
