"""`python -m study.run center_mot17 --data DIR`: the centre tracker on MOT17-09, with identity labels and without.

Size and embedding weigh a tenth: sizes are in cells, and some twenty identities are soon known by heart. Thresholds of
the association were chosen by validation, on detections of five trackers; see docs/decisions.md.
"""

from search_spaces.hwf_grid_mot17 import STUDY as MOT17
from search_spaces.objectives import CENTER
from study.config import Study
from study.losses.objectives import CLMOT, FAIRMOT
from study.tracker.association import Association
from study.weighting import hwf

TRACKER = CENTER.model_copy(
    update={
        "mirror": True,
        "association": Association(
            start_score=0.25,
            keep_score=0.125,
            max_cost=0.4,
            iou=0.3,
            confirm_after=3,
            max_missed=10,
            coast_frames=4,
            report="filtered",
        ),
    }
)

STUDY = Study(
    name="center_mot17",
    description="FairMOT's losses and CL-MOT's on the real sequence MOT17-09 (--data DIR; about half an hour)",
    data=MOT17.data,
    tracker=TRACKER,
    objective=FAIRMOT,
    weighting=hwf.Config(loss_weights={"size": 0.1, "identity": 0.1}),
    train=MOT17.train.model_copy(update={"epochs": 80, "batch_size": 4, "validate_every": 40}),
    points=({}, {"objective": CLMOT, "weighting": hwf.Config(loss_weights={"size": 0.1, "triplet": 0.1})}),
)
