"""`python -m study.run clmot_projection`: CL-MOT's table 4, does a projection head help the embeddings?

Two layers that the loss alone sees, on embeddings of half their width, or none. The paper: none MOTA 73.8, IDF1 74.2;
512 to 256 channels 73.5, 70.4; 1024 to 512 channels 73.2, 68.9.
"""

from typing import Any

from search_spaces.clmot_losses import STUDY as CLMOT_LOSSES
from search_spaces.clmot_losses import TRACKER

HEADS: tuple[dict[str, Any], ...] = ({}, {"projection": (32, 16)}, {"embedding_channels": 64, "projection": (64, 32)})

STUDY = CLMOT_LOSSES.model_copy(
    update={
        "name": "clmot_projection",
        "description": "CL-MOT's table 4: no projection head or one of half the width, three seeds (20 minutes)",
        "points": tuple({"tracker": TRACKER.model_copy(update=head)} for head in HEADS),
    }
)
