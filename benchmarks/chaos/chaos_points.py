"""Study of `kills.py`: ten trials of a few seconds, five points under two seeds, two at a time."""

from study.config import Data, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.tracker import chained
from study.weighting import hwf

STUDY = Study(
    name="chaos_points",
    description="Ten trials of a few seconds",
    data=Data(root="synthetic:tiny", image_size=(96, 64)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting=hwf.Config(),
    train=Train(epochs=12, batch_size=4),
    points=tuple({"weighting.loss_weights": {"reid": weight}} for weight in (0.3, 0.6, 1.0, 1.5, 2.0)),
    seeds=(0, 1),
)
