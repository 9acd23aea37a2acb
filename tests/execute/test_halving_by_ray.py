"""The simulation of early stopping, beside Ray's own scheduler."""

import random
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from study.prediction.halving import epochs_under_asha, expected_epochs_fraction_asha


def epochs_by_ray(values, max_epochs, grace_epochs, reduction_factor):
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="val_mota",
        mode="max",
        max_t=max_epochs,
        grace_period=grace_epochs,
        reduction_factor=reduction_factor,
    )
    epochs = []
    for index, value in enumerate(values):
        trial = SimpleNamespace(trial_id=str(index))
        scheduler.on_trial_add(None, trial)
        for epoch in range(1, max_epochs + 1):
            if scheduler.on_trial_result(None, trial, {"epoch": epoch, "val_mota": value}) == TrialScheduler.STOP:
                break
        epochs.append(epoch)
    return epochs


@pytest.mark.parametrize(
    ("max_epochs", "grace_epochs", "reduction_factor"),
    [(9, 1, 3), (10, 1, 4), (27, 3, 3), (16, 1, 2), (8, 3, 1.5), (12, 1, 1.2), (5, 5, 3)],
)
def test_every_trial_ends_where_ray_ends_it(max_epochs, grace_epochs, reduction_factor):
    draw = random.Random(7)
    values = [draw.random() for _ in range(60)]
    arguments = (max_epochs, grace_epochs, reduction_factor)
    assert epochs_under_asha(values, *arguments) == epochs_by_ray(values, *arguments)


def test_the_expected_share_is_that_of_rays_scheduler_on_many_draws():
    draw = random.Random(11)
    shares = [sum(epochs_by_ray([draw.random() for _ in range(40)], 9, 1, 3)) / (40 * 9) for _ in range(60)]
    assert expected_epochs_fraction_asha(40, 9, 1, 3) == pytest.approx(sum(shares) / len(shares), abs=0.02)
