import pytest
from tiny_trials import configuration

from study.prediction.costs import UnitCosts
from study.prediction.work import Frames, Work
from study.weighting import hwf

FRAMES = Frames(train=103, val=40, test=20, val_clips=2, test_clips=1)


def work(**train):
    return Work.of(configuration(hwf.Config(), **train).resolved(), FRAMES)


@pytest.mark.parametrize("epochs", [1, 2, 5, 6])
@pytest.mark.parametrize("every", [1, 2, 3, 9])
def test_validations_are_those_that_training_makes(epochs, every):
    def counted(done):
        return sum(epoch % every == 0 or epoch == epochs for epoch in range(done + 1, epochs + 1))

    found = work(epochs=epochs, validate_every=every)
    assert [found.validations(done) for done in range(epochs + 1)] == [counted(done) for done in range(epochs + 1)]


def test_without_a_number_of_steps_every_training_frame_comes_once():
    assert work(batch_size=4).steps_per_epoch == 26
    assert work(batch_size=4, steps_per_epoch=7).steps_per_epoch == 7


COSTS = UnitCosts(
    devices=2.0,
    startup_seconds=1.0,
    step_seconds=0.5,
    overhead_seconds_per_epoch=0.25,
    eval_seconds_per_frame=0.125,
    model_bytes=100,
    state_bytes=300,
    basis="",
)


def test_a_trial_costs_the_sum_of_its_parts_times_its_devices():
    whole = work(epochs=5, steps_per_epoch=10, validate_every=2)
    # Start; 50 steps; 5 epochs; validations after epochs 2, 4 and 5, and the test.
    seconds = 1 + 50 * 0.5 + 5 * 0.25 + (3 * 40 + 20) * 0.125
    assert COSTS.wall_seconds(whole) == seconds
    assert COSTS.device_seconds(whole) == 2 * seconds


def test_an_interrupted_trial_starts_again_but_does_not_repeat_its_epochs():
    whole = work(epochs=5, steps_per_epoch=10, validate_every=2)
    assert COSTS.device_seconds(whole, 4) == 2 * (1 + 10 * 0.5 + 0.25 + (40 + 20) * 0.125)
    assert COSTS.device_seconds(whole, 5) == 2 * (1 + 20 * 0.125)
