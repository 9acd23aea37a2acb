"""docs/searching.md: its example plans and runs to the first suggestion, its tables name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from example_rows import DATA_HASH

from study.plan import make_plan
from study.results import ResultStore
from study.search.suggestions import Suggestions
from study.search_config import Sampler
from study.space import Dimension
from study.studies import list_studies, load_study

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "searching.md").read_text()


@pytest.fixture
def example(tmp_path, monkeypatch) -> Path:
    """The study file that the document shows."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    ((name, code),) = re.findall(r"`(\S+\.py)`:\n\n```python\n(.*?)```\n", TEXT, re.DOTALL)
    (tmp_path / name).write_text(code)
    return tmp_path / name


def test_the_example_runs_from_the_command_line(example, tmp_path):
    command = [sys.executable, "-m", "study.run", str(example), "--dry-run", "--set", "data.root=synthetic:tiny"]
    command += ["--results", str(tmp_path / "results"), "--set", "search.sampler=gp"]
    environment = {**os.environ, "LOSS_WEIGHTING_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    environment["RAY_ADDRESS"] = "10.0.0.1:6379"  # a cluster elsewhere, whose costs are not probed here
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "which_weighting: 30 trials (3 seeds), 0 done, 30 to run" in done.stdout
    assert "the sampler gp suggests 24 configurations, the best 3 run again under other seeds" in done.stdout


def test_the_example_suggests_every_weighting_that_it_names(example, tmp_path):
    study = load_study(str(example))
    tiny = study.model_copy(update={"data": study.data.model_copy(update={"root": "synthetic:tiny"})})
    store = ResultStore(tmp_path / "results", study.name)
    plan = make_plan(tiny, store, cache_dir=tmp_path / "cache")
    assert plan.label(plan.trials[0]) == "weighting=hwf seed=0"
    suggestions = Suggestions(tiny, DATA_HASH, store, (), print)
    kinds = {suggestions.next().configuration.weighting.kind() for _ in range(12)}
    suggestions.close()
    assert kinds == {"hwf", "lwf_barrier", "famo"}


def test_studies_samplers_and_dimensions_are_those_that_there_are():
    named = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.M))
    searches = {name for name, _, _ in list_studies() if load_study(name).search is not None}
    assert named == searches | {"hwf_fine"}
    assert {f"`{sampler}`" for sampler in get_args(Sampler)} <= set(re.findall(r"`\w+`", TEXT))
    (union, _) = get_args(Dimension)
    for dimension in get_args(union):
        call = re.search(rf"`{dimension.__name__}\((.*?)\)", TEXT)
        assert call is not None
        assert set(call[1].split(", ")) <= set(dimension.model_fields)
