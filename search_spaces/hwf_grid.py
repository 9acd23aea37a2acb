"""`python -m study.run hwf_grid`: the six hard weightings of the LWF paper's Table I, on the embedded data."""

from collections.abc import Iterable, Sequence
from typing import Any

from study.config import Augmentation, Data, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
from study.tracker.chaining import Chaining
from study.weighting import hwf

TABLE_I = (
    (0.5, 1.0, 1.5),
    (0.5, 2.0, 1.0),
    (0.7, 0.4, 0.9),
    (1.0, 1.0, 1.0),
    (1.0, 0.5, 1.5),
    (2.0, 0.9, 1.7),
)
"""(alpha, beta, gamma), the loss weights of cls, reg and reid."""


def points(table: Iterable[Sequence[float]]) -> tuple[dict[str, Any], ...]:
    """A point of the search space for every row of loss weights, in the order of `CLS_REG_REID`."""
    return tuple(
        {"weighting": hwf.Config(loss_weights=dict(zip(CLS_REG_REID.tasks, row, strict=True)))} for row in table
    )


POINTS = points(TABLE_I)

TRACKER = chained.Config(
    width=32,
    levels=(3, 4),
    fpn_channels=32,
    pair_fusion="halves",
    tower_channels=32,
    tower_depth=1,
    both_orders=True,
    nms_sigma=0.15,
    association=Chaining(start_score=0.45, keep_score=0.2),
)
"""A network of 0.36 M parameters that learns in minutes on a CPU core."""

STUDY = Study(
    name="hwf_grid",
    description="The six hard weightings of the LWF paper's Table I, on synthetic sequences (minutes on a laptop)",
    data=Data(root="synthetic:default", image_size=(192, 112), augmentation=Augmentation(crop_probability=0)),
    tracker=TRACKER,
    objective=CLS_REG_REID,
    weighting=hwf.Config(),
    train=Train(epochs=8, steps_per_epoch=480, batch_size=2, weight_decay=0.05, validate_every=4),
    points=POINTS,
)
