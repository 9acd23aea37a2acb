"""`python -m study.run hwf_simplex`: TPE over ratios of hard weights only, and ASHA: the search we would start with."""

from search_spaces.hwf_fine import TRAIN
from search_spaces.hwf_grid import POINTS
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.search_config import ASHA, Search
from study.space import Simplex
from study.weighting import hwf

STUDY = Study(
    name="hwf_simplex",
    description="TPE over ratios of hard weights, stopped early by ASHA; the best runs again under two more seeds",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN,
    search=Search(
        space={"weighting.loss_weights": Simplex(ratio=5)}, sampler="tpe", num_configurations=20, start=POINTS
    ),
    early_stopping=ASHA(grace_epochs=2, reduction_factor=3),
    seeds=(0, 1, 2),
)
