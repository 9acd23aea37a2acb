"""`python -m study.run head_to_head`: every weighting against every other, three seeds, on the embedded data.

All start from the same network and see the same batches, seed by seed. A method with a learning rate of its own is
tried at a tenth of its default, at the default and at ten times it; hard weights are searched over Table I. What a
search costs is the cost of all its trials. The optimiser is AdamW for all, `lwf_paper` too, whose paper has Adam.
"""

from typing import Any

from search_spaces.hwf_grid import POINTS
from search_spaces.hwf_grid import STUDY as HWF_GRID
from study.config import Study, WeightingConfig
from study.weighting import (
    aligned_mtl,
    cagrad,
    dtp,
    dwa,
    equal,
    fairgrad,
    famo,
    geometric_mean,
    gradnorm,
    hwf,
    imtl_l,
    lwf,
    lwf_barrier,
    lwf_entropy,
    lwf_paper,
    mgda,
    nash_mtl,
    pcgrad,
    random,
    self_paced,
    stch,
    uncertainty,
    upgrad,
)

FACTORS = (0.1, 1.0, 10.0)
"""Of a learned method's default learning rate."""

LEARNED = (
    lwf.Config(output="relu"),
    lwf.Config(output="sigmoid"),
    lwf_barrier.Config(),
    lwf_entropy.Config(),
    gradnorm.Config(),
    uncertainty.Config(),
    imtl_l.Config(),
    famo.Config(),
)

OTHERS = (
    equal.Config(),
    random.Config(),
    lwf_paper.Config(),
    dwa.Config(),
    dtp.Config(),
    self_paced.Config(),
    geometric_mean.Config(),
    stch.Config(),
    mgda.Config(),
    pcgrad.Config(),
    cagrad.Config(),
    nash_mtl.Config(),
    aligned_mtl.Config(),
    fairgrad.Config(),
    upgrad.Config(),
)
"""Without a learning rate of their own."""


def learning_rates(*configs: WeightingConfig) -> tuple[dict[str, Any], ...]:
    """A point for each method and learning rate."""
    return tuple(
        {"weighting": config.model_copy(update={"lr": round(config.lr * factor, 10)})}  # type: ignore[attr-defined]
        for config in configs
        for factor in FACTORS
    )


STUDY = Study(
    name="head_to_head",
    description="Every weighting, three seeds, learning rates searched, on drawn sequences (90 minutes on two cores)",
    data=HWF_GRID.data,
    tracker=HWF_GRID.tracker,
    objective=HWF_GRID.objective,
    weighting=hwf.Config(),
    train=HWF_GRID.train.model_copy(update={"steps_per_epoch": 240, "validate_every": 8}),
    points=(*POINTS, *({"weighting": config} for config in OTHERS), *learning_rates(*LEARNED)),
    seeds=(0, 1, 2),
)
