"""`python -m study.run gradnorm`: GradNorm's asymmetry, and where it takes the norms."""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.weighting import gradnorm

STUDY = Study(
    name="gradnorm",
    description="GradNorm: asymmetry alpha and the place of the gradient norms, on synthetic sequences",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=gradnorm.Config(),
    train=HWF_GRID.train,
    points=(
        *({"weighting.alpha": alpha} for alpha in (0.0, 0.5, 1.0, 1.5, 2.0)),
        {"weighting.gramian_at": "shared_features"},
    ),
)
