"""`python -m study.run clmot_losses`: CL-MOT's table 3, which loss teaches embeddings without identity labels?

Triplets with the hardest negative, triplets with all of them, and NT-Xent, on two views of a frame. The paper, on
MOT15's training sequences: MOTA 73.8, 72.6, 70.3; IDF1 74.2, 72.5, 68.9.
"""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from search_spaces.objectives import CENTER
from study.config import Augmentation, Objective, Study
from study.losses import nt_xent, triplet
from study.losses.objectives import CENTRES
from study.weighting import hwf

TRACKER = CENTER.model_copy(update={"learn_from": "first"})
"""Detection learns from the first view alone, as the paper has it."""

WEIGHTING = hwf.Config(loss_weights={"size": 0.1})
"""As public code weighs the sizes, which are in cells."""

LIGHT = hwf.Config(loss_weights={"size": 0.1, "embedding": 0.1})
"""The three losses are of different magnitudes, and so leave detection more or less of the network."""

OBJECTIVES = tuple(
    Objective(name=name, task_losses=(*CENTRES, loss))
    for name, loss in (
        ("triplet_hard", triplet.Config(name="embedding", views=True)),
        ("triplet_all", triplet.Config(name="embedding", mining="all", views=True)),
        ("nt_xent", nt_xent.Config(name="embedding", views=True)),
    )
)

STUDY = Study(
    name="clmot_losses",
    description="CL-MOT's table 3: triplets, hard or all, and NT-Xent, at two weights, three seeds (20 minutes)",
    data=HWF_GRID.data.model_copy(update={"augmentation": Augmentation()}),
    tracker=TRACKER,
    objective=OBJECTIVES[0],
    weighting=WEIGHTING,
    train=HWF_GRID.train.model_copy(update={"steps_per_epoch": 240, "validate_every": 8}),
    points=(
        *({"objective": objective} for objective in OBJECTIVES),
        *({"objective": objective, "weighting": LIGHT} for objective in OBJECTIVES),
    ),
    seeds=(0, 1, 2),
)
