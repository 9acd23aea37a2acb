"""`python -m study.run hwf_pbt`: population-based training of the hard weights, a bridge between fixed and learned."""

from search_spaces.hwf_fine import TRAIN
from search_spaces.hwf_grid import STUDY as HWF_GRID
from search_spaces.hwf_grid import TABLE_I
from study.config import Study
from study.search_config import Population
from study.space import Simplex
from study.weighting import hwf

STUDY = Study(
    name="hwf_pbt",
    description="Population-based training: schedules of hard weights, from Table I on",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN,
    search=Population(
        size=6,
        epochs_per_generation=2,
        weights=Simplex(ratio=5),
        start=tuple(dict(zip(HWF_GRID.objective.tasks, row, strict=True)) for row in TABLE_I),
    ),
    seeds=(0, 1, 2),
)
