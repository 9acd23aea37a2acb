"""`python -m study.run head_to_head_mot17 --data DIR`: seven weightings, three seeds, on the real sequence MOT17-09.

Every method at its defaults: nothing was tuned on this video. Hard weights are two, the plain sum and the best row of
Table I; the table of methods takes choosing between them for the search of `hwf` and charges both. At most four minutes
a trial on two cores.
"""

from search_spaces.hwf_grid import points
from search_spaces.hwf_grid_mot17 import STUDY as MOT17
from study.config import Study
from study.weighting import gradnorm, hwf, lwf, lwf_barrier, uncertainty

STUDY = Study(
    name="head_to_head_mot17",
    description="Seven weightings, three seeds, on the real sequence MOT17-09 (--data DIR; about 40 minutes)",
    data=MOT17.data,
    tracker=MOT17.tracker,
    objective=MOT17.objective,
    weighting=hwf.Config(),
    train=MOT17.train.model_copy(update={"epochs": 18, "validate_every": 18}),
    points=(
        *points([(1.0, 1.0, 1.0), (2.0, 0.9, 1.7)]),
        {"weighting": lwf.Config(output="relu")},
        {"weighting": lwf.Config(output="sigmoid")},
        {"weighting": lwf_barrier.Config()},
        {"weighting": gradnorm.Config()},
        {"weighting": uncertainty.Config()},
    ),
    seeds=(0, 1, 2),
)
