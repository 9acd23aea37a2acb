"""`python -m study.run lwf_ablation`: Tables IV and V of the LWF paper, hidden channels C and hidden layers N.

With the sigmoid output; the ReLU output of eq. 10 (`--set weighting.output=relu`) is dead within a few steps whatever
its size.
"""

from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study
from study.weighting import lwf

TABLE_IV = tuple({"weighting.channels": channels} for channels in (4, 8, 16, 32, 64, 128))
TABLE_V = tuple({"weighting.channels": 32, "weighting.layers": layers} for layers in (2, 3))

STUDY = Study(
    name="lwf_ablation",
    description="Hidden channels and layers of learned weighting factors, Tables IV and V, on synthetic sequences",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=lwf.Config(),
    train=HWF_GRID.train,
    points=(*TABLE_IV, *TABLE_V),
)
