"""`python -m study.run clmot_losses_mot17 --data DIR`: `clmot_losses` on the real sequence MOT17-09."""

from search_spaces.center_mot17 import TRACKER
from search_spaces.clmot_losses import OBJECTIVES
from search_spaces.clmot_losses import STUDY as CLMOT_LOSSES
from search_spaces.hwf_grid_mot17 import STUDY as MOT17

STUDY = CLMOT_LOSSES.model_copy(
    update={
        "name": "clmot_losses_mot17",
        "description": "CL-MOT's table 3 on the real sequence MOT17-09, three seeds (--data DIR; about 25 minutes)",
        "data": MOT17.data,
        "tracker": TRACKER.model_copy(update={"learn_from": "first"}),
        "points": tuple({"objective": objective} for objective in OBJECTIVES),
        "train": MOT17.train.model_copy(update={"epochs": 18, "validate_every": 18}),
    }
)
