"""`python -m study.run deepmot_base`: the trackers that `deepmot_finetune` starts from, one a seed."""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from search_spaces.objectives import CENTER
from study.config import Execution, Study
from study.losses.objectives import FAIRMOT
from study.weighting import hwf

STUDY = Study(
    name="deepmot_base",
    description="Three centre trackers by FairMOT's losses, which deepmot_finetune starts from (5 minutes)",
    data=HWF_GRID.data,
    tracker=CENTER,
    objective=FAIRMOT,
    weighting=hwf.Config(loss_weights={"size": 0.1}),
    train=HWF_GRID.train.model_copy(update={"steps_per_epoch": 240, "batch_size": 4, "validate_every": 8}),
    seeds=(0, 1, 2),
    execution=Execution(keep_checkpoints="all"),
)
