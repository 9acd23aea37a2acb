"""The rungs of successive halving: who goes on, in one run or in several."""

import random

import pytest

from study.search.promotion import Earlier, Rungs
from study.search_config import ASHA


def mota(value):
    return {"val_mota": value}


def train(rungs, trial_id, value, epochs, validate_every=1, begin=0):
    """Train until it ends or pauses; returns its last epoch."""
    for epoch in range(begin + 1, epochs + 1):
        figures = mota(value) if epoch % validate_every == 0 or epoch == epochs else {}
        if not rungs.judge(trial_id, epoch, figures):
            return epoch
    return epochs


def test_a_trial_pauses_unless_it_is_among_the_best_of_its_rung():
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=3), 9)
    assert rungs.levels == [1, 3]
    assert [train(rungs, name, value, 9) for name, value in (("a", 0.1), ("b", 0.2), ("c", 0.3))] == [1, 1, 3]
    assert [rungs.promote(name) for name in "abc"] == [False, False, False]
    assert [train(rungs, name, value, 9) for name, value in (("d", 0.4), ("e", 0.5), ("f", 0.35))] == [3, 9, 1]
    assert [rungs.level(name) for name in "abcdef"] == [1, 1, 3, 3, 3, 1]


@pytest.mark.parametrize(("validate_every", "ends"), [(2, [2, 2, 4]), (3, [3, 3, 9]), (4, [4, 4, 9])])
def test_between_figures_a_rung_is_where_the_next_figure_is(validate_every, ends):
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=3), 9)
    values = (("a", 0.1), ("b", 0.2), ("c", 0.3))
    assert [train(rungs, name, value, 9, validate_every) for name, value in values] == ends


def test_rungs_that_fall_on_one_epoch_are_one():
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=1.2), 4)
    assert rungs.levels == [1, 2, 3]
    assert not rungs.judge("a", 1, mota(0.5))


def test_a_paused_trial_goes_on_once_it_is_among_the_best():
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=2), 4)
    assert train(rungs, "a", 0.5, 4) == 1
    assert not rungs.promote("a")
    assert train(rungs, "b", 0.1, 4) == 1
    assert rungs.promote("a")
    assert train(rungs, "a", 0.5, 4, begin=1) == 2


def test_a_verdict_that_was_not_heard_is_given_at_the_next_epoch():
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=2), 4)
    assert not rungs.judge("a", 1, mota(0.5))
    assert not rungs.judge("a", 2, {})
    # Nor does it matter that an epoch comes again.
    assert not rungs.judge("a", 1, mota(0.5))
    assert rungs.level("a") == 1


def earlier(trial_id, value, epochs, *, validate_every=1, until=9):
    figures = {epoch: mota(value) for epoch in range(1, epochs + 1) if epoch % validate_every == 0}
    return Earlier(trial_id, figures, epochs, ended=True, stopped=epochs < until)


def test_a_trial_that_heard_its_verdict_an_epoch_late_stays_paused():
    """Killed between its figure and the verdict, it trained on until it was asked again."""
    rungs = Rungs(ASHA(grace_epochs=2, reduction_factor=3), 9)
    for trial_id, value in (("a", 0.5), ("b", 0.6)):
        rungs.remember(earlier(trial_id, value, 2, validate_every=2))
    rungs.remember(earlier("late", 0.1, 3, validate_every=2))
    assert rungs.level("late") == 2
    assert not rungs.promote("late")
    rungs.remember(Earlier("under way", {2: mota(0.2)}, 3, ended=False))
    assert rungs.judge("under way", 4, {})


def test_the_leader_goes_on_until_one_has_trained_to_the_end():
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=3), 4)
    assert [train(rungs, name, value, 4) for name, value in (("a", 0.5), ("b", 0.4))] == [1, 1]
    assert rungs.promote_leader("ab") == "a"
    assert train(rungs, "a", 0.5, 4, begin=1) == 3
    assert rungs.promote_leader("ab") == "a"
    # It diverges, and is not among the paused ones any more.
    assert rungs.promote_leader("b") == "b"
    assert rungs.judge("b", 4, mota(0.4))
    assert rungs.promote_leader("b") is None


def test_after_a_restart_nobody_is_promoted_who_was_not():
    # They came to the rung in this order: y, a, b, x. Never was x the best.
    rungs = Rungs(ASHA(grace_epochs=1, reduction_factor=3), 9)
    for trial_id, value, epochs in (("a", 0.1, 1), ("b", 0.2, 1), ("x", 0.5, 1), ("y", 0.9, 3)):
        rungs.remember(earlier(trial_id, value, epochs))
    assert [rungs.promote(name) for name in "abx"] == [False, False, False]
    assert rungs.judge("y", 2, mota(0.9))
    assert not rungs.judge("y", 3, mota(0.9))


@pytest.mark.parametrize("validate_every", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_killed_the_rungs_are_what_they_would_have_been(validate_every, seed):
    """Trials that come one after the other; the second half after a restart."""
    draw = random.Random(seed)
    trials = [(str(i), draw.random()) for i in range(30)]
    whole, before, after = (Rungs(ASHA(grace_epochs=1, reduction_factor=2), 9) for _ in range(3))
    expected = [train(whole, *trial, 9, validate_every) for trial in trials]
    ends = [train(before, *trial, 9, validate_every) for trial in trials[:15]]
    for (trial_id, value), epochs in zip(trials[:15], ends, strict=True):
        after.remember(earlier(trial_id, value, epochs, validate_every=validate_every))
    ends += [train(after, *trial, 9, validate_every) for trial in trials[15:]]
    assert ends == expected
    assert len(set(ends)) > 2
    for trial_id, _ in trials:
        assert after.level(trial_id) == whole.level(trial_id)
        assert after.promote(trial_id) == whole.promote(trial_id)
    paused = [trial_id for (trial_id, _), end in zip(trials, ends, strict=True) if end < 9]
    assert after.promote_leader(paused) == whole.promote_leader(paused)


def test_a_trial_from_before_the_rungs_were_changed_goes_on_to_the_first_of_them():
    rungs = Rungs(ASHA(grace_epochs=4, reduction_factor=2), 9)
    rungs.remember(earlier("a", 0.1, 1))
    assert rungs.level("a") == 0
    assert rungs.promote("a")
    assert train(rungs, "a", 0.1, 9, begin=1) == 4
    assert Rungs(ASHA(grace_epochs=9), 9).promote("a")
