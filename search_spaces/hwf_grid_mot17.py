"""`python -m study.run hwf_grid_mot17 --data DIR`: Table I on the real sequence MOT17-09, trained from nothing.

Neighbouring frames are almost equal, hence the gaps of 30 frames between the splits; half of the identities recur, so
the figures say nothing about other scenes.
"""

from search_spaces.hwf_grid import POINTS, TRACKER
from study.config import Augmentation, Data, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.tracker.chaining import Chaining
from study.weighting import hwf

ASSOCIATION = Chaining(
    start_score=0.45, keep_score=0.12, chain_iou=0.5, max_missed=6, velocity_momentum=0.8, coast_frames=6
)
"""Lost tracks go on being reported, and are soon forgotten: in a group the next to come is somebody else."""

STUDY = Study(
    name="hwf_grid_mot17",
    description="The same six on the real sequence MOT17-09, trained from nothing (--data DIR; about half an hour)",
    data=Data(
        train=("MOT17-09[1-240]",),
        val=("MOT17-09[271-390]",),
        test=("MOT17-09[421-525]",),
        image_size=(320, 176),
        augmentation=Augmentation(crop_probability=1, min_scale=0.5, max_scale=1.3),
    ),
    tracker=TRACKER.model_copy(update={"association": ASSOCIATION}),
    objective=CLS_REG_REID,
    weighting=hwf.Config(),
    train=Train(epochs=50, batch_size=2, weight_decay=0.3, validate_every=25),
    points=POINTS,
)
