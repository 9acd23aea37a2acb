"""Ready-made objectives: named lists of task losses."""

from study.config import Objective
from study.losses import classification, id_verification, regression

CLS_REG_REID = Objective(
    name="cls_reg_reid",
    task_losses=(classification.Config(), regression.Config(), id_verification.Config()),
)
"""The three task losses of the LWF paper, in the order of its eq. 7 (alpha, beta, gamma)."""

CLS_REG = Objective(name="cls_reg", task_losses=(classification.Config(), regression.Config()))
"""Detection and chaining alone: for a tracker without the ID verification tower."""
