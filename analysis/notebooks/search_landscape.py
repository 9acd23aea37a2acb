# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The landscape that a search moves in
#
# Two searches over hard loss weights on drawn sequences: `hwf_random` trains 16 configurations to the end,
# `hwf_simplex` is TPE over their ratios with early stopping (ASHA). Each runs what it chose again under two more seeds.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {'dpi': 60}
from pathlib import Path

import duckdb
import pandas as pd

from analysis.evidence import read_evidence
from analysis.expected_best import best_over_cost, search_trials
from analysis.figures.budget import best_after_budget
from analysis.figures.parallel import parallel_coordinates
from analysis.figures.simplex import loss_weight_simplex
from analysis.importance import importance

RESULTS = Path("../../benchmarks/rows")


def method_of(study):
    """The one method of a study."""
    (group,) = read_evidence(RESULTS, [study]).groups()
    (method,) = group.methods
    print(f"{study}: {len(method.trials)} trials:", method.trials["status"].value_counts().to_dict())
    print(f"chosen: {method.settings}, {method.device_seconds:,.0f} device-seconds for the whole search")
    return method


everywhere, halved = method_of("hwf_random"), method_of("hwf_simplex")

# %% [markdown]
# Where in the triangle of ratios did they look, and what did they find? Trials that were stopped early have no figure
# that could be compared, and are drawn as rings.

# %%
loss_weight_simplex(everywhere.trials).get_figure()

# %%
loss_weight_simplex(halved.trials).get_figure()

# %% [markdown]
# Every configuration of the random search: raw loss weights, and validation MOTA.

# %%
parallel_coordinates(everywhere.trials).get_figure()

# %% [markdown]
# Which loss weight decides? fANOVA says what explains the variance, PED-ANOVA what tells the best tenth from the rest.
# With fewer than ten completed configurations nothing is said; of a search with early stopping there are rarely more.

# %%
importance(everywhere)

# %% [markdown]
# What was found by the time that so much was spent?

# %%
curves = [best_over_cost(method).assign(method=name) for name, method in (("random", everywhere), ("TPE", halved))]
best_after_budget(pd.concat(curves)).get_figure()

# %%
search_trials(everywhere)[["configuration_id", "score", "device_seconds"]].round(3).head()

# %% [markdown]
# How far did the trials get, and what did that cost?

# %%
duckdb.sql(
    f"""
    select study, status, epochs, count(*) as trials,
        round(sum(device_seconds)) as cost, round(max(val_mota), 3) as best
    from read_parquet('{RESULTS}/hwf_*/trials/*.parquet', union_by_name = true)
    group by study, status, epochs order by study, epochs
    """
).df()
