"""Ready-made objectives: named lists of task losses, one for every method of the catalogue.

"Object Tracking: Loss Functions" lists methods with the losses that they are made of. These are compositions of such
losses that the platform's trackers can be trained with, and whose weights can be searched or learned. They are not
those methods: no Siamese, transformer or diffusion network is rebuilt, and what a single-object tracker lacks, a
detector, is added. Each docstring says what is taken, and for which tracker.
"""

from study.config import Objective
from study.losses import (
    classification,
    contrastive,
    cross_correlation,
    dmota,
    dmotp,
    giou,
    heatmap,
    id_verification,
    identity,
    iou,
    l1,
    logistic,
    regression,
    softmax,
    temporal,
    triplet,
)

CLS_REG_REID = Objective(
    name="cls_reg_reid",
    task_losses=(classification.Config(), regression.Config(), id_verification.Config()),
)
"""The three task losses of the LWF paper, in the order of its eq. 7 (alpha, beta, gamma)."""

CLS_REG = Objective(name="cls_reg", task_losses=(classification.Config(), regression.Config()))
"""Detection and chaining alone: for a tracker without the ID verification tower."""

CENTRES = (heatmap.Config(), l1.Config(name="size", on="size"), l1.Config(name="offset", on="offset"))
"""Where objects are, for a `center` tracker: part of many objectives."""

LWF = CLS_REG_REID.model_copy(update={"name": "lwf"})
"""`CLS_REG_REID` under the name of the method whose paper weighs it: `chained`."""

SIAMFC = Objective(name="siamfc", task_losses=(*CENTRES, cross_correlation.Config()))
"""SiamFC's logistic loss over response maps, on the embeddings of a `center` tracker, which detects beside it.

Not taken: the two-branch network on image crops, and tracking by the response alone.
"""

TRACK_RCNN = Objective(name="track_rcnn", task_losses=(softmax.Config(), regression.Config()))
"""Track R-CNN's softmax cross entropy and smooth L1: `chained`. Not taken: masks, 3-D convolutions, its embedding."""

ATOM = Objective(name="atom", task_losses=(logistic.Config(), iou.Config()))
"""ATOM's overlap, maximised here by the boxes themselves: `chained`.

Not taken: the network that predicts the overlap of a given box, and classification learnt on the fly.
"""

DIMP = Objective(name="dimp", task_losses=(logistic.Config(), regression.Config()))
"""DiMP's logistic regression of object against background: `chained`. Not taken: its model predictor."""

OSTRACK = Objective(name="ostrack", task_losses=(classification.Config(), iou.Config(), l1.Config()))
"""OSTrack's classification, IoU and L1: `chained`. Not taken: the joint transformer, candidate elimination."""

TRANSTRACK = Objective(name="transtrack", task_losses=(heatmap.Config(), giou.Config(), l1.Config()))
"""TransTrack's focal loss, GIoU and L1, on centres: `center`. Not taken: queries, and matching by cost."""

DIFFUSIONTRACK = Objective(name="diffusiontrack", task_losses=(classification.Config(), giou.Config(), l1.Config()))
"""DiffusionTrack's focal loss, GIoU and L1 on paired boxes, which `chained` has. Not taken: diffusion."""

FAIRMOT = Objective(name="fairmot", task_losses=(*CENTRES, identity.Config()))
"""FairMOT's: centres, and which of the training identities each object is: `center`."""

MOTIONTRACK = Objective(name="motiontrack", task_losses=(classification.Config(), l1.Config()))
"""MotionTrack's L1 on where an object goes, the second box of a pair: `chained`. Not taken: its interaction modules."""

STTA = Objective(
    name="stta",
    task_losses=(
        softmax.Config(mining="all"),
        l1.Config(name="size", on="size"),
        l1.Config(name="offset", on="offset"),
        triplet.Config(),
    ),
)
"""STTA's cross entropy and triplets: `center`. Not taken: spatio-temporal attention."""

REID_MOT = Objective(name="reid_mot", task_losses=(heatmap.Config(), l1.Config(), contrastive.Config()))
"""Detection and re-identification, L1 and a contrastive loss: `center`."""

CLMOT = Objective(name="clmot", task_losses=(*CENTRES, triplet.Config(views=True)))
"""CL-MOT's: centres, and embeddings that tell the objects of one frame apart in two views of it: `center`."""

DEEPMOT = Objective(name="deepmot", task_losses=(*CENTRES, identity.Config(), dmota.Config(), dmotp.Config()))
"""DeepMOT's soft MOTA and MOTP of the tracker's own tracks, beside FairMOT's losses, from which it begins: `center`."""

CORE = Objective(
    name="core", task_losses=(*CENTRES, giou.Config(), identity.Config(), triplet.Config(), temporal.Config())
)
"""The catalogue's three core families at once, box regression, re-identification and temporal consistency: `center`."""

ON_CHAINED = (LWF, TRACK_RCNN, ATOM, DIMP, OSTRACK, DIFFUSIONTRACK, MOTIONTRACK)
ON_CENTER = (SIAMFC, TRANSTRACK, FAIRMOT, STTA, REID_MOT, CLMOT, DEEPMOT, CORE)
"""Objectives of the catalogue, by the tracker that they are for. Deep SORT, which has no loss, is an association:
`study.tracker.association.Association.deep_sort`."""
