"""A study is predicted, run, and told how well that went."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from study.results import load

STUDY = """
    from study.config import Data, Execution, Study, Train
    from study.losses.objectives import CLS_REG_REID
    from study.tracker import chained
    from study.weighting import hwf

    STUDY = Study(
        name="priced",
        description="two trials of a second",
        data=Data(root="synthetic:tiny", image_size=(64, 48)),
        tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
        objective=CLS_REG_REID,
        weighting=hwf.Config(),
        train=Train(epochs=2, steps_per_epoch=5, batch_size=2),
        seeds=(0, 1),
        execution=Execution(gpus_per_worker=0, price_per_device_hour=3600),
    )
"""


def test_what_a_dry_run_predicts_is_compared_with_what_the_run_held(tmp_path):
    (tmp_path / "priced.py").write_text(textwrap.dedent(STUDY))
    environment = os.environ | {"LOSS_WEIGHTING_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    environment.pop("RAY_ADDRESS", None)

    def run(*options):
        command = [sys.executable, "-m", "study.run", "priced.py", *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    dry = run("--dry-run")
    assert "unknown, probing (1 kind of trial, " in dry
    predicted = re.search(r"predicted cost: [\d,]+ device-seconds .*", dry).group()

    told = run()
    assert predicted in told
    assert "probing" not in told
    line = re.search(r"2 trials of this run: predicted (\d+) device-seconds, actual (\d+).*", told)
    assert re.search(r"with worker groups: predicted \d+ .*; cost [\d.]+ at 3600 per device-hour$", line.group())
    rows = load(tmp_path / "results")
    assert rows["predicted_device_seconds"].nunique() == 1
    assert float(line[1]) == pytest.approx(rows["predicted_device_seconds"].sum(), abs=0.5)
    assert float(line[2]) == pytest.approx(rows["device_seconds"].sum(), abs=0.5)
