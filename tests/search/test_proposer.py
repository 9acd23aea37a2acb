"""Which trial comes next: lists, stages, and populations whose driver is killed."""

import itertools

import pytest
from example_rows import DATA_HASH
from searches import Driver, population_study, search_study

from study.results import LAST
from study.search.proposer import Generations, Planned, Stages
from study.search.proposers import make_proposer


def drain(proposer):
    return list(iter(proposer.next, None))


def trials(tmp_path, count):
    return Driver(search_study(count, sampler="random"), tmp_path).run()


def test_a_list_comes_in_its_order_and_has_ended_then(tmp_path):
    given = trials(tmp_path, 3)
    planned = Planned(given)
    assert not planned.ended
    assert [planned.next(), planned.next()] == given[:2]
    assert not planned.ended
    assert (planned.next(), planned.next(), planned.ended) == (given[2], None, True)
    assert Planned(()).ended


def test_a_stage_begins_when_all_trials_of_the_one_before_have_ended(tmp_path):
    one, two, three = trials(tmp_path, 3)
    stages = Stages([lambda: Planned([one, two]), lambda: Planned([]), lambda: Planned([three])])
    assert drain(stages) == [one, two]
    stages.tell(two, "completed", {})
    assert (stages.next(), stages.ended) == (None, False)
    stages.tell(one, "failed", {})
    assert (stages.next(), stages.ended) == (three, True)
    assert stages.next() is None


@pytest.mark.parametrize("status", [None, "interrupted"])
def test_after_a_stage_that_lacks_a_result_nothing_comes(status, tmp_path):
    one, two = trials(tmp_path, 2)
    stages = Stages([lambda: Planned([one]), lambda: Planned([two])])
    assert stages.next() == one
    stages.tell(one, status, {})
    assert (stages.next(), stages.ended) == (None, True)


def test_studies_get_the_proposer_of_their_kind(tmp_path):
    driver = Driver(search_study(2, seeds=(0, 1)), tmp_path)
    planned = trials(tmp_path / "other", 2)
    plain = driver.study.model_copy(update={"search": None})
    assert drain(make_proposer(plain, DATA_HASH, planned, driver.store, note=driver.notes.append)) == planned
    searched = make_proposer(driver.study, DATA_HASH, planned, driver.store, note=driver.notes.append)
    assert [trial.seed for trial in run(driver, searched)] == [0, 0, 1]


def run(driver, proposer, steps=10**9, status_of=lambda trial: "pruned" if trial.until else "completed"):
    """Tells what happened until somebody kills the driver."""
    proposed = []
    for _ in range(steps):
        trial = proposer.next()
        if trial is None:
            break
        proposed.append(trial)
        status = status_of(trial)
        driver.write(trial, status)
        driver.store.write_checkpoint(trial.trial_id, LAST, b"state")
        proposer.tell(trial, status, {})
    return proposed


@pytest.fixture
def population(tmp_path):
    return Driver(population_study(size=4), tmp_path)


def generation_of(trial):
    return trial.suggested["generation"]


def test_generations_come_one_after_the_other(population):
    generations = Generations(population.study, DATA_HASH, population.store)
    first = drain(generations)
    assert [generation_of(trial) for trial in first] == [1] * 4
    assert not generations.ended
    for trial in first[1:]:
        population.write(trial, "pruned")
        generations.tell(trial, "pruned", {})
    assert generations.next() is None
    population.write(first[0], "failed")
    generations.tell(first[0], "failed", {})
    rest = run(population, generations)
    assert [generation_of(trial) for trial in rest] == [2] * 4 + [3] * 4
    assert generations.ended


def test_a_population_goes_on_where_it_was_killed(population, tmp_path):
    whole = Driver(population.study, tmp_path / "whole")
    expected = run(whole, Generations(whole.study, DATA_HASH, whole.store))
    found = []
    for steps in itertools.count(1):
        new = run(population, Generations(population.study, DATA_HASH, population.store), steps)
        if not new:
            break
        found += new
    assert found == expected
    assert len(found) == 12


@pytest.mark.parametrize("status", [None, "interrupted"])
def test_a_member_that_is_missing_ends_the_population_for_now(status, population):
    generations = Generations(population.study, DATA_HASH, population.store)
    first = generations.next()
    generations.tell(first, status, {})
    assert (generations.next(), generations.ended) == (None, True)
    assert Generations(population.study, DATA_HASH, population.store).next() == first


def test_only_checkpoints_that_somebody_may_start_from_are_kept(population):
    def kept():
        return sorted(
            {
                generation_of(trial)
                for trial in seen
                if population.store.read_checkpoint(trial.trial_id, LAST) is not None
            }
        )

    generations = Generations(population.study, DATA_HASH, population.store)
    seen = run(population, generations, steps=4)
    assert kept() == [1]
    seen += run(population, generations, steps=3)
    assert kept() == [1, 2]
    seen += run(population, generations, steps=2)
    assert kept() == [2, 3]
    seen += run(population, generations)
    assert kept() == [3]


def test_the_best_schedule_runs_again_under_the_other_seeds(tmp_path):
    driver = Driver(population_study(size=2, seeds=(0, 5, 6)), tmp_path)
    proposer = make_proposer(driver.study, DATA_HASH, (), driver.store, note=driver.notes.append)
    proposed = run(driver, proposer)
    assert [trial.seed for trial in proposed] == [0] * 6 + [5, 6]
    for trial in proposed[6:]:
        assert trial.configuration == proposed[6].configuration
        assert len(trial.configuration.weighting.stages) == 3
        assert (trial.until, trial.parent) == (None, None)
