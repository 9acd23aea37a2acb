"""Ready-made objectives: named lists of task losses."""

from study.config import Objective
from study.losses import classification, dmota, dmotp, heatmap, id_verification, identity, l1, regression, triplet

CLS_REG_REID = Objective(
    name="cls_reg_reid",
    task_losses=(classification.Config(), regression.Config(), id_verification.Config()),
)
"""The three task losses of the LWF paper, in the order of its eq. 7 (alpha, beta, gamma)."""

CLS_REG = Objective(name="cls_reg", task_losses=(classification.Config(), regression.Config()))
"""Detection and chaining alone: for a tracker without the ID verification tower."""

_CENTRES = (heatmap.Config(), l1.Config(name="size", on="size"), l1.Config(name="offset", on="offset"))

FAIRMOT = Objective(name="fairmot", task_losses=(*_CENTRES, identity.Config()))
"""FairMOT's: centres, and which of the training identities each object is."""

CLMOT = Objective(name="clmot", task_losses=(*_CENTRES, triplet.Config(views=True)))
"""CL-MOT's: centres, and embeddings that tell the objects of one frame apart in two views of it."""

DEEPMOT = Objective(name="deepmot", task_losses=(*_CENTRES, identity.Config(), dmota.Config(), dmotp.Config()))
"""DeepMOT's: soft MOTA and MOTP of the tracker's own tracks, on top of FairMOT's losses, which it starts from."""
