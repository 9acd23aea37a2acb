"""A study's process is interrupted, then killed, then left alone: it ends as if nothing had happened."""

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import torch

from study.config import Data, Study, Train
from study.execute.attempt import run_attempt
from study.losses.objectives import CLS_REG_REID
from study.plan import make_plan
from study.results import ResultStore, comparable
from study.tracker import chained
from study.weighting import hwf

EPOCHS = 16
STUDY = Study(
    name="interrupted",
    description="Two trials of a few seconds",
    data=Data(root="synthetic:tiny", image_size=(96, 64)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting=hwf.Config(),
    train=Train(epochs=EPOCHS, batch_size=4),
    seeds=(0, 1),
)


def plan_and_store(folder: Path, results: str):
    store = ResultStore(folder / results, STUDY.name)
    return make_plan(STUDY, store, cache_dir=folder / "cache"), store


def drive(folder: Path):
    """The process that is to suffer: tells every event in a line."""
    from study.execute import run_study

    def tell(event):
        print(type(event).__name__, event.trial.seed, flush=True)

    run_study(*plan_and_store(folder, "results"), tell)


class Driver:
    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.tree: dict[psutil.Process, str] = {}

    def wait_for_epochs(self, number):
        """Until both trials have reported so many epochs."""
        epochs = {"0": 0, "1": 0}
        while min(epochs.values()) < number:
            name, seed = self.process.stdout.readline().split()
            epochs[seed] += name == "EpochFinished"
        self.tree = {child: child.name() for child in psutil.Process(self.process.pid).children(recursive=True)}
        assert len(self.tree) > 5

    def end(self, signal_number=None):
        if signal_number is not None:
            self.process.send_signal(signal_number)
        output, errors = self.process.communicate(timeout=200)
        return self.process.returncode, output, errors

    def left(self, timeout, but=()):
        """Names of processes that outlive the driver by this many seconds."""
        _, alive = psutil.wait_procs([process for process in self.tree if self.tree[process] not in but], timeout)
        return {self.tree[process] for process in alive}


def test_a_study_goes_on_after_kill_and_interruption(tmp_path):
    plan, store = plan_and_store(tmp_path, "results")

    killed = Driver(tmp_path)
    killed.wait_for_epochs(2)
    code, _, _ = killed.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    # Two helpers of Ray's notice after a minute only; they hold nothing.
    assert killed.left(10, but={"ray::DashboardAgent", "ray::RuntimeEnvAgent"}) == set()
    # A worker that sees the others die first still writes that its attempt is lost.
    assert {entry["status"] for entry in store.ledger() if entry["attempt"] == 1} <= {"running", "lost"}

    driver = Driver(tmp_path)
    driver.wait_for_epochs(2)
    code, _, errors = driver.end(signal.SIGINT)
    assert (code, errors) == (130, "")
    assert driver.left(10) == set()
    assert {row["status"] for row in store.trials()} == {"interrupted"}
    of_attempt = {entry["attempt"]: entry["status"] for entry in store.ledger(plan.trials[0].trial_id)}
    assert of_attempt == {1: "lost", 2: "interrupted"}
    reached = {row["trial_id"]: row["epochs"] for row in store.trials()}

    driver = Driver(tmp_path)
    code, output, errors = driver.end()
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    for trial in plan.trials:
        assert reached[trial.trial_id] >= 4
        # An epoch whose rows were written, but not its checkpoint, is computed again.
        missing = EPOCHS - reached[trial.trial_id]
        assert missing <= lines.count(f"EpochFinished {trial.seed}") <= missing + 1
        assert lines.count(f"TrialEnded {trial.seed}") == 1
    assert {(row["status"], row["attempts"]) for row in store.trials()} == {("completed", 3)}
    assert "running" not in {entry["status"] for entry in store.ledger()}
    assert all(row["lost_seconds"] > 0 for row in store.trials())

    assert make_plan(STUDY, store, cache_dir=tmp_path / "cache").missing == ()
    _, quiet = plan_and_store(tmp_path, "quiet")
    torch.set_num_threads(1)
    trial = plan.trials[1]
    run_attempt(trial, plan, quiet, attempt=1, device=torch.device("cpu"))
    for table in ("steps", "epochs", "sequences"):
        mine, theirs = (comparable(pd.DataFrame(s.read_rows(table, trial.trial_id))) for s in (store, quiet))
        pd.testing.assert_frame_equal(mine, theirs, obj=table)
    assert killed.left(70) == set()


if __name__ == "__main__":
    try:
        drive(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
