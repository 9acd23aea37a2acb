"""Studies whose trials take a second."""

from tiny_trials import configuration

from study.config import Execution, Study
from study.weighting import hwf

EXECUTION = Execution(gpus_per_worker=0)


def tiny_study(points=({},), *, seeds=(0,), execution=EXECUTION, **train):
    base = configuration(hwf.Config(), **({"epochs": 3, "steps_per_epoch": 6, "validate_every": 2} | train))
    parts = {part: getattr(base, part) for part in ("data", "tracker", "objective", "weighting", "train")}
    return Study(name="tiny", description="a test", points=points, seeds=seeds, execution=execution, **parts)
