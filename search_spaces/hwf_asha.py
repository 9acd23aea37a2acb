"""`python -m study.run hwf_asha`: many random hard weights, most of them stopped after an epoch or two by ASHA."""

from search_spaces.hwf_fine import TRAIN
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.search_config import ASHA, Search
from study.space import Weights
from study.weighting import hwf

STUDY = Study(
    name="hwf_asha",
    description="Random search over raw hard weights with ASHA over epochs; the best runs again under two more seeds",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN.model_copy(update={"validate_every": 1}),
    search=Search(space={"weighting.loss_weights": Weights(low=0.1, high=10)}, sampler="random", num_configurations=32),
    early_stopping=ASHA(grace_epochs=1, reduction_factor=3),
    seeds=(0, 1, 2),
)
