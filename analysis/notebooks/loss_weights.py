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
# # What became of the loss weights
#
# Effective loss weights, d total / d loss, as sampled in training: figure 3 of the LWF paper, for every method.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {'dpi': 60}
from pathlib import Path

import duckdb

from analysis.evidence import read_evidence
from analysis.figures.trajectories import loss_weights, task_losses

RESULTS = Path("../../benchmarks/rows/head_to_head_mot17")
(group,) = read_evidence(RESULTS).groups()

# %%
trials = group.shown.merge(group.trials, on=["study", "trial_id"])
collapsed = trials[trials["weighting_status"] != "healthy"]
loss_weights(group.rows("steps"), collapsed)

# %% [markdown]
# Losses without their weights compare methods whatever the weights do.

# %%
epochs = group.rows("epochs")
epochs = epochs[(epochs["split"] == "train") & (epochs["task"] != "")]
task_losses(epochs)

# %% [markdown]
# Which trials ended with vanished or one-sided loss weights, and since when?

# %%
collapsed[["method", "seed", "weighting_status", "weighting_status_step", "val_mota"]].reset_index(drop=True)

# %% [markdown]
# Shares of the tasks at the end of training, straight from the files:

# %%
duckdb.sql(
    f"""
    with last as (
        select trial_id, task, arg_max(loss_weight, step) as weight, arg_max(weight_sum, step) as total
        from '{RESULTS}/steps/*.parquet' group by trial_id, task
    )
    select weighting, task, round(avg(weight / nullif(total, 0)), 3) as share, count(*) as seeds
    from last join '{RESULTS}/trials/*.parquet' using (trial_id)
    where weighting in ('uncertainty', 'gradnorm', 'lwf_barrier')
    group by weighting, task order by weighting, task
    """
).df()
