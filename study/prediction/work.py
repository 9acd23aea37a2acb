"""How much a trial has to do: steps to make and frames to score."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Frames:
    """Frames and clips of the splits."""

    train: int
    val: int
    test: int
    val_clips: int
    test_clips: int

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Count them in the manifest of `study.data.Splits`, which stands in the results too (with a root beside)."""
        splits = ("train", "val", "test")
        frames = {split: sum(clip["last"] - clip["first"] + 1 for clip in manifest[split]) for split in splits}
        return cls(frames["train"], frames["val"], frames["test"], len(manifest["val"]), len(manifest["test"]))


@dataclass(frozen=True)
class Work:
    """A trial, measured in epochs, steps and frames.

    Attributes:
        epochs: of the whole trial.
        steps_per_epoch: optimiser steps.
        validate_every: epochs; the last one is always validated.
        log_every: steps between rows.
        tasks: number of task losses.
        frames: of the splits.
    """

    epochs: int
    steps_per_epoch: int
    validate_every: int
    log_every: int
    tasks: int
    frames: Frames

    @classmethod
    def of(cls, resolved: Mapping[str, Any], frames: Frames) -> Self:
        """The work of a resolved configuration (`Configuration.resolved`, also as a row has it)."""
        train = resolved["train"]
        return cls(
            epochs=train["epochs"],
            steps_per_epoch=train["steps_per_epoch"] or math.ceil(frames.train / train["batch_size"]),
            validate_every=train["validate_every"],
            log_every=train["log_every"],
            tasks=len(resolved["objective"]["task_losses"]),
            frames=frames,
        )

    def validations(self, epochs_done: int = 0) -> int:
        """How often the validation split is still scored after so many epochs."""
        regular = self.epochs // self.validate_every - epochs_done // self.validate_every
        return regular + (self.epochs % self.validate_every != 0 and epochs_done < self.epochs)

    def scored_frames(self, epochs_done: int = 0) -> int:
        """Frames to track and score after so many epochs, those of the test split included."""
        return self.validations(epochs_done) * self.frames.val + self.frames.test
