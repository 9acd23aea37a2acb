"""Study of `kills.py`: eight random suggestions one after the other, and the best two under another seed."""

from chaos_points import STUDY as POINTS  # beside this file, whoever loads it

from study.config import Execution, Study
from study.search_config import Search
from study.space import Simplex

STUDY = Study(
    **{name: getattr(POINTS, name) for name in ("data", "tracker", "objective", "weighting", "train")},
    name="chaos_search",
    description="Ten trials of a few seconds, suggested one by one",
    search=Search(
        space={"weighting.loss_weights": Simplex()},
        sampler="random",
        num_configurations=8,
        start=({"weighting.loss_weights": {"cls": 1.0, "reg": 1.0, "reid": 1.0}},),
        finalists=2,
    ),
    seeds=(0, 1),
    execution=Execution(max_concurrent_trials=1),
)
