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
# # What accuracy costs
#
# All weightings on drawn sequences (`head_to_head`): 24 methods, three seeds, 11,152 device-seconds. A method's cost is
# that of all its trials: whoever tunes a learning rate pays for it.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {'dpi': 60}
from pathlib import Path

import duckdb
import pandas as pd

from analysis.evidence import read_evidence
from analysis.expected_best import at_cost, best_over_cost, cost_to_reach, expected_best, search_trials
from analysis.figures.budget import best_after_budget
from analysis.figures.differences import differences
from analysis.figures.tradeoff import cost_vs_metrics
from analysis.pareto import hypervolume, pareto_front

RESULTS = Path("../../benchmarks/rows/head_to_head")
(group,) = read_evidence(RESULTS).groups()

# %%
cost_vs_metrics(group.table, "test")

# %% [markdown]
# Which methods does no cheaper one equal, and how much of the space do they dominate?

# %%
objectives = {"lower": ["device_seconds"], "higher": ["test_mota"]}
front = group.table[pareto_front(group.table, **objectives)]
print(f"hypervolume up to (1,500 device-seconds, MOTA 0): {hypervolume(front, [1500, 0], **objectives):.0f}")
front[["method", "chosen", "test_mota", "device_seconds"]].round(3)

# %% [markdown]
# The differences to the plain sum of losses under the same seeds. With three seeds little can be claimed.

# %%
contrasts = group.contrasts
differences(contrasts, group.baseline.name, "test MOTA").get_figure()

# %%
contrasts[["method", "difference", "low", "high", "p_holm", "probability", "evidence"]].round(3).head(8)

# %% [markdown]
# ## What a search finds for its cost
#
# A searched method is a curve over cost, a learned one a point. Of a grid the curve is the expectation over the order
# of its points.

# %%
curves = {method.title: best_over_cost(method) for method in group.methods}
best_after_budget(pd.concat([curve.assign(method=name) for name, curve in curves.items()])).get_figure()

# %%
hwf = next(method for method in group.methods if method.title == "hwf")
print("expected best validation MOTA of k of its six points:", expected_best(search_trials(hwf)["score"]).round(3))
plain = float(group.baseline.rows["val_mota"].mean())
print(f"to reach the plain sum ({plain:.3f}) the grid costs {cost_to_reach(curves['hwf'], plain):,.0f} device-seconds")
print(f"for the cost of pcgrad it has found {at_cost(curves['hwf'], curves['pcgrad']['device_seconds'].iloc[0]):.3f}")

# %% [markdown]
# ## Where the device-seconds went

# %%
duckdb.sql(
    f"""
    select weighting, round(sum(train_seconds)) as train, round(sum(eval_seconds)) as eval,
           round(sum(device_seconds)) as total, round(sum(device_seconds) / count(*), 1) as per_trial
    from read_parquet('{RESULTS}/**/trials/*.parquet', union_by_name = true)
    group by weighting order by total desc limit 8
    """
).df()
