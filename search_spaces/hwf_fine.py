"""`python -m study.run hwf_fine`: a grid of 27 ratios of loss weights, three seeds: what searches are measured against.

Three levels for each task. Those of cls lie a third of a step apart, so that no two points have the same ratios: the
total scale changes next to nothing under Adam, and all points have the sum T.
"""

import itertools

from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.losses.objectives import CLS_REG_REID
from study.space import normalized
from study.weighting import hwf

STEP = 3.0
CLS, REG, REID = ((STEP**-part, 1.0, STEP**part) for part in (1 / 3, 1, 1))

TRAIN = HWF_GRID.train.model_copy(update={"epochs": 8, "steps_per_epoch": 120, "validate_every": 2})
"""Less than a minute a trial on a CPU core, with figures to stop early by."""

STUDY = Study(
    name="hwf_fine",
    description="A grid of 27 ratios of hard weights, three seeds: the yardstick of the searches (40 minutes)",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN.model_copy(update={"validate_every": TRAIN.epochs}),
    points=tuple(
        {"weighting.loss_weights": dict(zip(CLS_REG_REID.tasks, normalized(weights), strict=True))}
        for weights in itertools.product(CLS, REG, REID)
    ),
    seeds=(0, 1, 2),
)
