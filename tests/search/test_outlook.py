"""What a search comes to, and when nothing is left to do: at every stage, also after the study file has changed."""

import pytest
from example_rows import DATA_HASH
from searches import Driver, kept, population_study, search_study

from study.search.finalists import finalists
from study.search.members import generations
from study.search.outlook import outlook
from study.search.proposers import make_proposer
from study.space import Integer


def look(driver):
    return outlook(driver.study, driver.store.trials(), DATA_HASH)


def run_all(driver, status_of=lambda _: "completed", most=10**9):
    """As `study.execute` does: whatever is proposed, finalists too."""
    proposer = make_proposer(driver.study, DATA_HASH, (), driver.store, note=driver.notes.append)
    proposed = []
    while len(proposed) < most and (trial := proposer.next()) is not None:
        proposed.append(trial)
        status = status_of(trial)
        proposer.tell(trial, status, driver.write(trial, status))
    proposer.close()
    return proposed


def test_a_search_is_looked_at_from_its_start_to_its_end(tmp_path):
    driver = Driver(search_study(4, seeds=(0, 1, 2), finalists=2, start=({},)), tmp_path)
    assert (look(driver).total, len(look(driver).trials), look(driver).done) == (8, 1, frozenset())
    run_all(driver, most=2)
    assert (look(driver).total, len(look(driver).trials), len(look(driver).done)) == (8, 2, 2)
    run_all(driver, most=3)
    ahead = look(driver)
    assert (ahead.total, len(ahead.trials), len(ahead.done)) == (8, 8, 5)
    assert [trial.seed for trial in ahead.trials] == [0] * 4 + [1] + [1, 2, 2]
    run_all(driver)
    ahead = look(driver)
    assert (ahead.total, len(ahead.trials), len(ahead.done)) == (8, 8, 8)
    assert run_all(driver) == []


def test_a_search_of_one_seed_has_no_finalists(tmp_path):
    driver = Driver(search_study(2), tmp_path)
    assert look(driver).total == 2
    driver.run()
    assert look(driver).total == len(look(driver).done) == 2


def test_a_small_space_has_no_more_trials_than_points(tmp_path):
    driver = Driver(
        search_study(9, space={"train.epochs": Integer(low=4, high=5)}, seeds=(0, 1), finalists=3), tmp_path
    )
    assert look(driver).total == 4
    run_all(driver)
    assert look(driver).total == len(look(driver).done) == 4


def test_after_more_configurations_were_asked_for_the_new_best_one_is_a_finalist_too(tmp_path):
    run_all(Driver(search_study(1, seeds=(0, 1, 2), sampler="random"), tmp_path))
    more = Driver(search_study(4, seeds=(0, 1, 2), sampler="random"), tmp_path)
    assert look(more).total >= 6
    run_all(more, most=3)
    rows = more.store.trials()
    best = max((row for row in rows if row["seed"] == 0), key=lambda row: row["val_mota"])
    assert best["configuration_id"] not in {row["configuration_id"] for row in rows if row["seed"] == 1}
    # As many trials are done as a search of four comes to, and yet it has not ended.
    ahead = look(more)
    assert len(ahead.done) == 6
    assert ahead.total == 8
    assert {trial.configuration_id for trial in ahead.trials if trial.trial_id not in ahead.done} == {
        best["configuration_id"]
    }
    assert [trial.seed for trial in run_all(more)] == [1, 2]
    assert look(more).total == len(look(more).done) == 8


def test_after_fewer_configurations_were_asked_for_finalists_remain(tmp_path):
    run_all(Driver(search_study(6), tmp_path))
    fewer = Driver(search_study(3, seeds=(0, 1, 2)), tmp_path)
    ahead = look(fewer)
    assert (ahead.total, len(ahead.done)) == (8, 6)
    assert len(run_all(fewer)) == 2
    assert look(fewer).total == len(look(fewer).done) == 8


def test_a_starting_point_that_is_added_later_is_one_more(tmp_path):
    run_all(Driver(search_study(2, seeds=(0, 1)), tmp_path))
    more = Driver(search_study(2, seeds=(0, 1), start=({},)), tmp_path)
    assert look(more).total > len(look(more).done) == 3
    run_all(more)
    assert look(more).total == len(look(more).done)
    assert run_all(more) == []


@pytest.mark.parametrize("status", ["failed", "oom", "timeout", "interrupted"])
def test_what_broke_off_is_not_done(status, tmp_path):
    driver = Driver(search_study(3, seeds=(0, 1)), tmp_path)
    run_all(driver, status_of=lambda trial: status if trial.seed else "completed")
    assert (look(driver).total, len(look(driver).done)) == (4, 3)
    assert [trial.seed for trial in run_all(driver)] == [1]
    assert look(driver).total == len(look(driver).done) == 4


def test_a_finalist_that_failed_and_is_none_any_more_does_not_keep_the_search_from_its_end(tmp_path):
    first = Driver(search_study(1, seeds=(0, 1), sampler="random"), tmp_path)
    run_all(first, status_of=lambda trial: "failed" if trial.seed else "completed")
    more = Driver(search_study(4, seeds=(0, 1), sampler="random"), tmp_path)
    run_all(more)
    assert run_all(more) == []
    ahead = look(more)
    assert ahead.total == len(ahead.done) == 6
    assert len([row for row in more.store.trials() if row["status"] == "failed"]) == 1


def test_without_a_figure_nobody_is_a_finalist(tmp_path):
    driver = Driver(search_study(2, seeds=(0, 1)), tmp_path)
    run_all(driver, status_of=lambda _: "diverged")
    assert look(driver).total == len(look(driver).done) == 2


def test_finalists_are_the_best_that_completed_seed_by_seed(tmp_path):
    driver = Driver(search_study(5, seeds=(3, 1, 4), finalists=2, sampler="random"), tmp_path)
    trials = driver.run(status_of=lambda trial: "pruned" if trial.index == 2 else "completed")
    completed = [trial for trial in trials if trial.index != 2]
    motas = {row["trial_id"]: row["val_mota"] for row in driver.store.trials()}
    best = sorted(completed, key=lambda trial: -motas[trial.trial_id])[:2]
    found = finalists(driver.study, driver.store.trials(), DATA_HASH)
    assert [trial.seed for trial in found] == [1, 1, 4, 4]
    assert [trial.configuration_id for trial in found] == [trial.configuration_id for trial in best] * 2
    assert [trial.suggested for trial in found] == [trial.suggested for trial in best] * 2
    driver.write(found[1])
    driver.write(found[2], "failed")
    left = finalists(driver.study, driver.store.trials(), DATA_HASH)
    assert [trial.trial_id for trial in left] == [trial.trial_id for trial in (found[0], *found[2:])]


def test_of_several_objectives_the_first_says_who_is_best_and_less_cost_is_better(tmp_path):
    driver = Driver(
        search_study(3, seeds=(0, 1), objectives=("device_seconds", "val_mota"), sampler="nsgaii"), tmp_path
    )
    suggestions = driver.open()
    for i in range(3):
        trial = suggestions.next()
        suggestions.tell(trial, "completed", driver.write(trial, device_seconds=(300.0, 100.0, 200.0)[i]))
        if i == 1:
            cheapest = trial
    suggestions.close()
    (found,) = finalists(driver.study, driver.store.trials(), DATA_HASH)
    assert found.configuration_id == cheapest.configuration_id


def test_a_population_has_generations_times_members_and_its_best_under_the_other_seeds(tmp_path):
    driver = Driver(population_study((0, 1), size=4), tmp_path)
    assert (look(driver).total, len(look(driver).trials)) == (13, 4)
    run_all(driver, most=5, status_of=lambda trial: "pruned" if trial.until else "completed")
    assert (look(driver).total, len(look(driver).trials), len(look(driver).done)) == (13, 8, 5)
    run_all(driver, status_of=lambda trial: "pruned" if trial.until else "completed")
    ahead = look(driver)
    assert ahead.total == len(ahead.trials) == len(ahead.done) == 13
    assert run_all(driver) == []


def test_a_member_that_failed_is_done_for_and_one_that_was_interrupted_is_not(tmp_path):
    driver = Driver(population_study((0, 1), size=4), tmp_path)

    def status_of(trial):
        if trial.index == 1:
            return "failed"
        return "interrupted" if trial.index == 5 else "pruned" if trial.until else "completed"

    run_all(driver, status_of=status_of)
    ahead = look(driver)
    assert len(ahead.done) == 5  # of two generations' eight: the failed one too
    assert ahead.total == 13
    run_all(driver, status_of=lambda trial: "pruned" if trial.until else "completed")
    ahead = look(driver)
    assert ahead.total == len(ahead.done) == 13
    assert len(generations(driver.study, kept(*driver.store.trials()), DATA_HASH)) == 3
