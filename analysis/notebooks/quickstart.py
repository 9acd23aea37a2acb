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
# # Quickstart: from result rows to an answer
#
# `python -m study.run STUDY` leaves its rows in `results/STUDY`. Here they are those that the project keeps of
# `head_to_head_mot17`: seven configurations, three seeds, MOT17-09. Set `RESULTS` to a folder of your own.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {'dpi': 60}
from pathlib import Path

import duckdb

from analysis.evidence import read_evidence
from analysis.verdict import judge
from study.results import load

RESULTS = Path("../../benchmarks/rows/head_to_head_mot17")

# %% [markdown]
# One row a trial. Every column's type, unit and meaning stand in the schema.

# %%
trials = load(RESULTS)
trials[["weighting", "seed", "status", "val_mota", "test_mota", "test_idf1", "device_seconds"]].round(3).head()

# %%
arrow = load(RESULTS, arrow=True)
arrow.schema.field("device_seconds").metadata

# %% [markdown]
# The verdict: what the statistics allow to be said, and nothing else.

# %%
(group,) = read_evidence(RESULTS).groups()
verdict = judge(group.methods, group.baseline, group.contrasts, group.metric)
print(verdict.headline, *verdict.sentences, sep="\n- ")

# %% [markdown]
# The rows are plain Parquet: any tool reads them, here DuckDB.

# %%
duckdb.sql(
    f"""
    select weighting, count(*) as trials, round(avg(test_mota), 3) as test_mota, round(sum(device_seconds)) as cost
    from read_parquet('{RESULTS}/**/trials/*.parquet', union_by_name = true)
    group by weighting order by test_mota desc
    """
).df()

# %% [markdown]
# All of it as one page: `python -m analysis.report results/ -o report.html`; two studies side by side:
# `python -m analysis.compare A B`.
