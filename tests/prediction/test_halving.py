import pytest

from study.prediction.halving import epochs_under_asha, expected_epochs_fraction_asha


def test_who_is_below_the_top_third_stops_at_its_rung():
    # Rungs at epochs 1 and 3. The first trial has nobody to be compared with, the second is worse, the third better.
    assert epochs_under_asha([0.5, 0.1, 0.9, 0.2], 9, 1, 3) == [9, 1, 9, 1]


def test_one_trial_and_a_grace_as_long_as_the_trial_leave_everything():
    assert expected_epochs_fraction_asha(1, 9, 1, 3) == 1
    assert expected_epochs_fraction_asha(50, 9, 9, 3) == 1


def test_more_trials_and_sharper_cuts_leave_a_smaller_share():
    shares = [expected_epochs_fraction_asha(trials, 27, 1, 3) for trials in (2, 10, 100)]
    assert shares == sorted(shares, reverse=True)
    assert 1 / 27 < shares[-1] < 0.5
    assert expected_epochs_fraction_asha(100, 27, 1, 4) < shares[-1]
    assert expected_epochs_fraction_asha(100, 27, 3, 3) > shares[-1]


def test_the_same_question_has_the_same_answer():
    assert expected_epochs_fraction_asha(30, 8, 1, 2) == expected_epochs_fraction_asha(30, 8, 1, 2)


@pytest.mark.parametrize("max_epochs", [8, 10])
def test_nobody_trains_longer_than_a_whole_trial_or_shorter_than_the_grace(max_epochs):
    values = [(7 * i) % 31 for i in range(31)]
    epochs = epochs_under_asha(values, max_epochs, 2, 2)
    assert min(epochs) >= 2
    assert max(epochs) == max_epochs
