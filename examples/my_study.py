"""`python -m study.run examples/my_study.py`: a user's own weighting, task loss and tracker, without a fork."""

from my_tracking import early_fusion, giou, warm_in

from study.config import Data, Objective, Study, Train
from study.losses import classification, id_verification, regression
from study.weighting import hwf

STUDY = Study(
    name="my_study",
    description="Is it better to learn detection first? (the example of docs/extending.md)",
    data=Data(root="synthetic:default"),
    tracker=early_fusion.Config(),
    objective=Objective(
        name="with_giou",
        task_losses=(classification.Config(), regression.Config(), giou.Config(), id_verification.Config()),
    ),
    weighting=hwf.Config(),
    train=Train(epochs=8),
    points=(
        {"weighting": hwf.Config()},
        {"weighting": warm_in.Config(late=("reid",), steps=300)},
        {"weighting": warm_in.Config(late=("reid", "giou"), steps=300)},
    ),
)
