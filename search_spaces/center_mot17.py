"""`python -m study.run center_mot17 --data DIR`: the centre tracker on MOT17-09, with identity labels and without."""

from search_spaces.hwf_grid_mot17 import STUDY as MOT17
from study.config import Study
from study.losses.objectives import CLMOT, FAIRMOT
from study.tracker import center
from study.weighting import hwf

STUDY = Study(
    name="center_mot17",
    description="FairMOT's losses and CL-MOT's on the real sequence MOT17-09 (--data DIR; about half an hour)",
    data=MOT17.data,
    tracker=center.Config(),
    objective=FAIRMOT,
    weighting=hwf.Config(loss_weights={"size": 0.1}),
    train=MOT17.train.model_copy(update={"epochs": 40, "validate_every": 20}),
    points=({}, {"objective": CLMOT}),
)
