"""`python -m study.run hwf_pareto`: which accuracy at which cost, by NSGA-II over ratios and length of training.

All ratios cost the same; what changes the cost is how long the network is trained. Objectives are validation MOTA and
device-seconds; `--set 'search.objectives=["val_mota","val_idf1"]'` looks for the trade-off between these two.
"""

from search_spaces.hwf_fine import TRAIN
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.search_config import Search
from study.space import Choice, Simplex
from study.weighting import hwf

STUDY = Study(
    name="hwf_pareto",
    description="NSGA-II over ratios of hard weights and steps of training: MOTA against device-seconds",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=TRAIN,
    search=Search(
        space={
            "weighting.loss_weights": Simplex(ratio=5),
            "train.steps_per_epoch": Choice(values=(60, 120, 180, 240)),
        },
        sampler="nsgaii",
        objectives=("val_mota", "device_seconds"),
        num_configurations=24,
    ),
)
