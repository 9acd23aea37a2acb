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
# The six hard weightings of the LWF paper's table I, three seeds each, as `head_to_head` ran them. With the rows of a
# search (`results/hwf_simplex`) the same cells show what it suggested, and what was ended early.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {'dpi': 60}
from pathlib import Path

import duckdb

from analysis.evidence import read_evidence
from analysis.expected_best import best_over_cost, search_trials
from analysis.figures.budget import best_after_budget
from analysis.figures.parallel import parallel_coordinates
from analysis.figures.simplex import loss_weight_simplex
from analysis.importance import importance

RESULTS = Path("../../benchmarks/rows/head_to_head")
(group,) = read_evidence(RESULTS).groups()
method = next(method for method in group.methods if method.title == "hwf")
print(f"{len(method.trials)} trials:", method.trials["status"].value_counts().to_dict())
print(f"chosen: {method.settings}, {method.device_seconds:,.0f} device-seconds for the whole search")

# %%
loss_weight_simplex(method.trials).get_figure()

# %% [markdown]
# Every configuration, its settings and its validation MOTA. Trials that ended early would be drawn as such.

# %%
parallel_coordinates(method.trials).get_figure()

# %%
best_after_budget(best_over_cost(method).assign(method=method.title)).get_figure()

# %% [markdown]
# Which ratio decides? With fewer than ten completed configurations nothing is said.

# %%
importance(method)

# %%
search_trials(method)[["configuration_id", "score", "device_seconds"]].round(3).head()

# %% [markdown]
# How far did the trials get, and what did that cost?

# %%
duckdb.sql(
    f"""
    select status, epochs, count(*) as trials, round(sum(device_seconds)) as cost, round(max(val_mota), 3) as best
    from read_parquet('{RESULTS}/**/trials/*.parquet', union_by_name = true)
    where weighting = 'hwf' group by status, epochs order by epochs
    """
).df()
