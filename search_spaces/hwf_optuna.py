"""`python -m study.run hwf_optuna`: Optuna's TPE over raw hard weights, beginning with the rows of Table I."""

from search_spaces.hwf_fine import TRAIN
from search_spaces.hwf_grid import POINTS
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.search_config import Search
from study.space import Weights
from study.weighting import hwf

STUDY = Study(
    name="hwf_optuna",
    description="TPE over raw hard weights, from Table I on; the best runs again under two more seeds",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN,
    search=Search(
        space={"weighting.loss_weights": Weights(low=0.1, high=10)},
        sampler="tpe",
        num_configurations=24,
        start=POINTS,
    ),
    seeds=(0, 1, 2),
)
