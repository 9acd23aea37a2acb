"""`python -m study.run hwf_random`: random search over raw hard weights, the least that another search must beat."""

from search_spaces.hwf_fine import TRAIN
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.search_config import Search
from study.space import Weights
from study.weighting import hwf

STUDY = Study(
    name="hwf_random",
    description="Random search over raw hard weights; the best runs again under two more seeds",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN,
    search=Search(space={"weighting.loss_weights": Weights(low=0.1, high=10)}, sampler="random", num_configurations=16),
    seeds=(0, 1, 2),
)
