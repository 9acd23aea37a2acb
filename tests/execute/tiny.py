"""Real, tiny studies: a second a trial."""

from pathlib import Path

import pandas as pd
from user_parts import faulty

from study.config import Data, Execution, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.plan import make_plan
from study.results import ResultStore, comparable
from study.tracker import chained


def tiny_study(points=({},), *, seeds=(0,), epochs=3, steps=4, execution=None, **changes):
    return Study(
        name="tiny",
        description="a test",
        data=Data(root="synthetic:tiny", image_size=(96, 64)),
        tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
        objective=CLS_REG_REID,
        weighting=changes.pop("weighting", faulty.Config()),
        train=Train(epochs=epochs, steps_per_epoch=steps, batch_size=2, log_every=1, warmup_steps=2, **changes),
        points=points,
        seeds=seeds,
        execution=execution or Execution(),
    )


def open_study(study, results: Path, cache_dir: Path):
    store = ResultStore(results, study.name)
    return make_plan(study, store, cache_dir=cache_dir), store


def rows(store, trial_id):
    """What a trial left, but for time, memory, host and date."""
    tables = {table: pd.DataFrame(store.read_rows(table, trial_id)) for table in ("steps", "epochs", "sequences")}
    tables["trials"] = pd.DataFrame([row for row in store.trials() if row["trial_id"] == trial_id])
    return {name: comparable(table) for name, table in tables.items()}
