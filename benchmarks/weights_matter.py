"""`python -m study.run benchmarks/weights_matter.py`: does the default preset punish a starved regression loss?"""

from search_spaces import hwf_grid

STUDY = hwf_grid.STUDY.model_copy(
    update={
        "name": "weights_matter",
        "description": "Loss weights (1, 1, 1) against (1, .01, .01) of hwf_grid, three seeds",
        "points": hwf_grid.points([(1.0, 1.0, 1.0), (1.0, 0.01, 0.01)]),
        "seeds": (0, 1, 2),
    }
)
