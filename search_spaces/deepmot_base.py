"""`python -m study.run deepmot_base`: the trackers that `deepmot_finetune` starts from, one a seed."""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Execution, Study
from study.losses.objectives import FAIRMOT
from study.tracker import center
from study.weighting import hwf

STUDY = Study(
    name="deepmot_base",
    description="Three centre trackers by FairMOT's losses, which deepmot_finetune starts from (5 minutes)",
    data=HWF_GRID.data,
    tracker=center.Config(width=32, channels=32, head_channels=32, embedding_channels=32),
    objective=FAIRMOT,
    weighting=hwf.Config(loss_weights={"size": 0.1}),
    train=HWF_GRID.train.model_copy(update={"epochs": 12, "steps_per_epoch": 120, "validate_every": 12}),
    seeds=(0, 1, 2),
    execution=Execution(keep_checkpoints="all"),
)
