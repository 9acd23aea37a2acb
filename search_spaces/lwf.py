"""`python -m study.run lwf`: the forms of learned weighting factors, beside the plain sum.

All under the platform's AdamW, `lwf_paper` too; `--set train.optimizer=adam` gives all of them the paper's Adam.
"""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.weighting import equal, lwf, lwf_barrier, lwf_entropy, lwf_paper

STUDY = Study(
    name="lwf",
    description="The forms of learned weighting factors beside the plain sum, on synthetic sequences",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=lwf.Config(),
    train=HWF_GRID.train,
    points=(
        {"weighting": equal.Config()},
        {"weighting": lwf_paper.Config()},
        {"weighting": lwf.Config(output="relu")},
        {"weighting": lwf.Config(output="sigmoid")},
        {"weighting": lwf.Config(output="sigmoid", detach_input=True)},
        {"weighting": lwf_barrier.Config()},
        {"weighting": lwf_entropy.Config()},
    ),
)
