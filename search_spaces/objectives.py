"""`python -m study.run objectives`: every objective of the catalogue, each with the plain sum of its losses.

What the objectives are is told in `study.losses.objectives`. Figures compare what trackers of two kinds learn from
different losses in the same short time, not the methods that the objectives are named after.
"""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from search_spaces.hwf_grid import TRACKER
from study.config import Study
from study.losses.objectives import FAIRMOT, LWF, ON_CENTER, ON_CHAINED
from study.tracker import center
from study.tracker.association import Association
from study.weighting import equal

CHAINED = TRACKER.model_copy(update={"towers": ("cls", "reg")})
CENTER = center.Config(
    width=32,
    top_level=5,
    channels=32,
    head_channels=32,
    embedding_channels=32,
    association=Association(start_score=0.4, keep_score=0.2, max_cost=0.4, iou=0.3, max_missed=15, report="filtered"),
)
"""A network of the same kind as `hwf_grid`'s; thresholds for short trainings, in which scores stay low."""

STUDY = Study(
    name="objectives",
    description="Every objective of the catalogue on its tracker, Deep SORT's association, three seeds (30 minutes)",
    data=HWF_GRID.data,
    tracker=TRACKER,
    objective=LWF,
    weighting=equal.Config(),
    train=HWF_GRID.train.model_copy(update={"steps_per_epoch": 160, "batch_size": 4, "validate_every": 8}),
    points=(
        {},
        *({"tracker": CHAINED, "objective": objective} for objective in ON_CHAINED if objective != LWF),
        *({"tracker": CENTER, "objective": objective} for objective in ON_CENTER),
        {
            "tracker": CENTER.model_copy(
                update={"association": Association.deep_sort(start_score=0.4, keep_score=0.2)}
            ),
            "objective": FAIRMOT,
        },
    ),
    seeds=(0, 1, 2),
)
