"""Study of `ray_up.py`: four trials of about a minute each."""

import slow_steps  # beside this file, whoever loads it

from study.config import Data, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained

STUDY = Study(
    name="chaos_nodes",
    description="Four trials of about a minute",
    data=Data(root="synthetic:tiny", image_size=(96, 64)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting=slow_steps.Config(),
    train=Train(epochs=30, steps_per_epoch=4, batch_size=2, log_every=1, warmup_steps=2, precision="float32"),
    seeds=(0, 1, 2, 3),
)
