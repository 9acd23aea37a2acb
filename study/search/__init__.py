"""Which trial of a study comes next: planned ones, suggestions of Optuna, members of a population, finalists.

`known.py` and `metrics.py` are for planning, `proposer.py` for running. Nothing in this room knows ray.
"""
