"""`TRIALS=100 python -m study.run benchmarks/sleeping_trials.py`: trials that sleep, for `benchmarks/scaling.py`.

Every trial has a loss weight of its own, two epochs of one step, and is validated once.
"""

import os

from sleeping import tracker

from study.config import Data, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.weighting import hwf

STUDY = Study(
    name="sleeping_trials",
    description="Trials that sleep instead of training",
    data=Data(root="synthetic:tiny", image_size=(96, 64)),
    tracker=tracker.Config(),
    objective=CLS_REG_REID,
    weighting=hwf.Config(),
    train=Train(epochs=2, steps_per_epoch=1, batch_size=2, log_every=1, warmup_steps=1, validate_every=2),
    points=tuple({"weighting.loss_weights.cls": 1 + i / 1000} for i in range(int(os.environ.get("TRIALS", "100")))),
)
