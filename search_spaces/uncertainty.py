"""`python -m study.run uncertainty`: uncertainty weighting, its learning rate and the form of the regression loss."""

from search_spaces.head_to_head import learning_rates
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.weighting import equal, uncertainty

STUDY = Study(
    name="uncertainty",
    description="Uncertainty weighting: learning rate and form of the regression loss, on synthetic sequences",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=uncertainty.Config(),
    train=HWF_GRID.train,
    points=(
        {"weighting": equal.Config()},
        *learning_rates(uncertainty.Config()),
        {"weighting": uncertainty.Config(forms={"reg": "regression"})},
    ),
)
