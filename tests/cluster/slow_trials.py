"""A study of four trials of some seconds each, and processes that run it on a cluster."""

import os
import subprocess
import sys
import time

from study_files import study_file

from study.results import ResultStore, load

SLOW = '''
"""Equal weights, in steps that take a while, or wait; a part of the user's own beside the study file."""
import os
import time

from study.config import WeightingConfig
from study.weighting.hwf import HardWeightingFactors


class Config(WeightingConfig):
    def build(self, tasks):
        return Slow(tasks, [1.0] * len(tasks))


class Slow(HardWeightingFactors):
    def forward(self, losses, gramian=None):
        time.sleep(0.3)
        while os.path.exists(GATE):
            time.sleep(0.1)
        return super().forward(losses, gramian)
'''


def write_study(folder):
    """Its file, with a part beside it; as long as there is a file `gate` beside them, no trial gets on."""
    (folder / "slow.py").write_text(SLOW.replace("GATE", repr(str(folder / "gate"))))
    text = study_file(
        train="epochs=4, steps_per_epoch=4, warmup_steps=2",
        weighting="slow.Config()",
        imports="import slow",
        more="seeds=(0, 1, 2, 3),",
    )
    (folder / "tiny.py").write_text(text)
    return folder / "tiny.py"


def start(study, results, address, *more, **variables):
    """The study's driver; without an address it has to find the cluster by itself."""
    environment = {**os.environ, "LOSS_WEIGHTING_RESULTS": str(results), **variables}
    if address is None:
        del environment["RAY_ADDRESS"]
    else:
        environment["RAY_ADDRESS"] = address
    command = [sys.executable, "-m", "study.run", str(study), *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def wait_until(condition, process, seconds=150):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)


def running(results):
    """How many trials a worker group works on now."""
    ledger = ResultStore(results, "tiny").ledger() if (results / "tiny").exists() else []
    return sum(entry["kind"] == "attempt" and entry["status"] == "running" for entry in ledger)


def most_at_once(results):
    """Worker groups that worked on trials at the same time."""
    attempts = load(results / "tiny", "ledger").query("kind == 'attempt'")
    spans = [
        (begin.timestamp(), begin.timestamp() + held)
        for begin, held in zip(attempts["started_at"], attempts["held_seconds"], strict=True)
    ]
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)
