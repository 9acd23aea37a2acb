"""What the parts of a trial cost, and what a whole one costs by them."""

from dataclasses import dataclass

from study.prediction.work import Work


@dataclass(frozen=True)
class UnitCosts:
    """Unit costs of a kind of trial; seconds are wall time of a trial, whose workers work side by side.

    Attributes:
        devices: that all its workers hold together.
        startup_seconds: before training begins: model and data.
        step_seconds: an optimiser step with its batch.
        overhead_seconds_per_epoch: checkpoint and rows.
        eval_seconds_per_frame: tracking and scoring a frame.
        model_bytes: the trained network that is kept.
        state_bytes: the checkpoint of an unfinished trial.
        basis: what this rests on, in words.
    """

    devices: float
    startup_seconds: float
    step_seconds: float
    overhead_seconds_per_epoch: float
    eval_seconds_per_frame: float
    model_bytes: float
    state_bytes: float
    basis: str

    def wall_seconds(self, work: Work, epochs_done: int = 0) -> float:
        """From the start of an attempt that goes on after `epochs_done` epochs to the end of the trial."""
        epochs = work.epochs - epochs_done
        return (
            self.startup_seconds
            + epochs * (work.steps_per_epoch * self.step_seconds + self.overhead_seconds_per_epoch)
            + work.scored_frames(epochs_done) * self.eval_seconds_per_frame
        )

    def device_seconds(self, work: Work, epochs_done: int = 0) -> float:
        """Wall time times devices."""
        return self.devices * self.wall_seconds(work, epochs_done)
