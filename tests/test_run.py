import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from example_rows import make_entry, make_measured_row, make_row, make_study, make_trial
from rich.console import Console

from study.config import Execution
from study.events import EpochFinished, Note, TrialDeclined, TrialEnded, TrialStarted
from study.live import Display
from study.plan import make_plan
from study.repository import Code
from study.results import LAST, ResultStore
from study.run import main, override
from study.search_config import ASHA, Population, Search
from study.space import Simplex
from study.studies import load_study
from study.summary import show_outcome, show_plan
from study.weighting import hwf

STUDY = """
    from study.config import Data, Study, Train
    from study.losses.objectives import CLS_REG_REID
    from study.tracker import chained
    from study.weighting import hwf

    STUDY = Study(
        name="mine",
        description="a study of mine",
        data=Data(root="synthetic:tiny", image_size=(96, 64)),
        tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
        objective=CLS_REG_REID,
        weighting=hwf.Config(),
        train=Train(epochs=4),
        points=[{"weighting.loss_weights.cls": cls} for cls in (0.5, 1, 2)],
    )
"""


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, cache_dir, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSS_WEIGHTING_CACHE", str(cache_dir))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(textwrap.dedent(STUDY))


@pytest.fixture
def _not_probed(monkeypatch):
    """Costs are not looked at: those of a cluster elsewhere cannot be measured here."""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")


def run(*arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "study.run", *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_without_a_study_all_are_listed_with_a_line_each_and_quickly():
    done = run()
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert any(re.match(r"hwf_grid +The six hard weightings", line) for line in lines)
    importing = "import sys, study.run; study.run.main([]); print({'ray', 'torch', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", importing], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*lines, "set()"]


def test_a_mistake_is_two_lines_at_most_and_exit_code_2():
    done = run("hwf_gird")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no study 'hwf_gird' in search_spaces; did you mean 'hwf_grid'?\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "train.epoks=2"], "--set: train: unknown key 'epoks'; did you mean 'epochs'?"),
        (
            ["--set", "trian.epochs=2"],
            "--set: unknown key 'trian.epochs': no 'trian' in a study; did you mean 'train'?",
        ),
        (["--set", "train.epochs=two"], "--set: train.epochs: Input should be a valid integer, .*, found 'two'"),
        (["--set", "train.lr=NaN"], "--set: train.lr: .* finite number, found nan"),
        (["--set", "tracker.kind=chaned"], "--set: tracker: kind: no module .*; did you mean 'chained'?"),
        (["--set", "train.epochs"], "--set train.epochs: expected KEY=VALUE, such as --set train.epochs=2"),
        (["--set", "weighting.loss_weights.cls=3"], r"--set weighting.loss_weights.cls: points\[0\] of the study sets"),
        (["--seeds", "0"], "--seeds 0: expected how many .* or which ones"),
        (["--seeds", "a,b"], "--seeds a,b: expected how many .* or which ones"),
        (["--seeds", "1,1"], "seeds: 1 stands there 2 times"),
        (["--workers", "0"], "--set: execution.workers: Input should be greater than 0, found 0"),
        (["--price", "0"], "--set: execution.price_per_device_hour: Input should be greater than 0, found 0.0"),
        (["--workers", "two"], "argument --workers: invalid int value: 'two'; see 'python -m study.run --help'"),
        (["--dryrun"], "unrecognized arguments: --dryrun"),
        (["--data", "nowhere"], "data.root: .*nowhere: no such folder"),
        (["--results", "mine.py"], "cannot write .*mine.py/mine: .*--results"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments, message, capsys):
    assert main(["mine.py", *arguments]) == 2
    assert re.match(f"error: {message}", capsys.readouterr().err)


@pytest.mark.usefixtures("_not_probed")
def test_data_without_splits_are_explained_with_the_sequences_there_are(cache_dir, capsys):
    assert main(["mine.py", "--dry-run"]) == 0
    (root,) = (path for path in cache_dir.glob("synthetic-tiny-*") if path.is_dir())
    first, *others = sorted(path.name for path in root.iterdir() if path.is_dir())
    capsys.readouterr()
    assert main(["mine.py", "--data", str(root), "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert re.search(r"data\.train: empty; .*--train", told)
    assert all(name in told for name in [first, *others])
    split = ["--train", f"{first}[1-5],{others[0]}", "--val", f"{first}[6-8]", "--dry-run"]
    assert main(["mine.py", "--data", str(root), *split]) == 0
    assert main(["mine.py", "--data", str(root), *split, "--test", f"{first}[8-9]"]) == 2
    assert re.search(r"data\.test: .* shares frames 8-8 .* data\.val", capsys.readouterr().err)


def test_dry_run_measures_what_is_unknown_shows_the_plan_and_leaves_no_results():
    settings = ["--seeds", "3", "--set", "train.epochs=2", "--set", "train.optimizer=adam", "--price", "7200"]
    done = run("mine.py", "--dry-run", *settings)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.match(r"cost of 9 trials: unknown, probing \(1 kind of trial, \d+ at a time; about 9s for a", lines[0])
    assert re.match(r"probe 1 of 1, hwf: [\d.]+ s a step, [\d.]+ s a frame \(\d+ s[^)]*\)$", lines[1])
    trials = re.findall(r"^[0-9a-f]{16} +cls=(?:0.5|1|2) seed=[012] +new +([\d,]+) +[\d.]+ [kM]B$", done.stdout, re.M)
    assert len(trials) == 9
    assert len(set(trials)) == 1
    assert "mine: 9 trials (3 seeds), 0 done, 9 to run" in lines
    (cost,) = re.findall(
        r"^predicted cost: ([\d,]+) device-seconds \(.*; cost ([\d,.]+) at 7200 per", done.stdout, re.M
    )
    seconds, money = (float(figure.replace(",", "")) for figure in cost)
    assert money == pytest.approx(2 * seconds, abs=1.01)
    assert re.match(r"prediction rests on a probe of \d+ steps and \d+ frames, \d+ at a time$", lines[-1])
    assert not Path("results").exists()

    again = run("mine.py", "--dry-run", *settings)
    assert again.stdout.splitlines() == lines[2:]


@pytest.mark.usefixtures("_not_probed")
def test_a_probe_cannot_stand_for_a_cluster(capsys):
    assert main(["mine.py", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "predicted cost: unknown (until a trial has run: the cluster's machines are elsewhere)" in told
    assert "prob" not in told


SEARCH = """
    from study.search_config import ASHA, Population, Search
    from study.space import Simplex

    SPACE = {"weighting.loss_weights": Simplex(ratio=5)}
    SEARCH = Search(space=SPACE, num_configurations=9, start=({"weighting.loss_weights": {"cls": 2}},))
    STUDY = STUDY.model_copy(update={"name": "searched", "points": ({},), "search": SEARCH, "early_stopping": ASHA()})
"""


@pytest.fixture
def _searches(tmp_path):
    (tmp_path / "searched.py").write_text(textwrap.dedent(STUDY + SEARCH))
    population = STUDY + SEARCH.replace(": SEARCH", ": Population(size=3)").replace("ASHA()", "None")
    (tmp_path / "population.py").write_text(textwrap.dedent(population))


@pytest.mark.usefixtures("_searches", "_not_probed")
def test_dry_run_of_a_search_shows_what_is_known_and_what_is_to_come(capsys):
    assert main(["searched.py", "--dry-run", "--seeds", "3", "--set", "search.num_configurations=5"]) == 0
    told = capsys.readouterr().out
    assert "searched: 7 trials (3 seeds), 0 done, 7 to run" in told
    assert "6 of them are not known yet: the sampler tpe suggests 5 configurations, the best 1 run again under" in told
    assert re.search(r"^[0-9a-f]{16} +cls=1.5 reg=0.75 reid=0.75 seed=0 +new", told, re.M)
    assert main(["population.py", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "searched: 12 trials, 0 done, 12 to run" in told
    assert "9 of them are not known yet: a population of 3 exchanges its best every 1 epochs" in told
    assert re.search(r"generation=1 member=3 cls=\S+ reg=\S+ reid=\S+ seed=0 +new", told)
    assert not Path("results").exists()


@pytest.mark.usefixtures("_searches")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["searched.py", "--set", "weighting.loss_weights.cls=3"],
            "--set weighting.loss_weights.cls: search.space of the",
        ),
        (
            ["population.py", "--set", "weighting.kind=lwf"],
            "--set weighting.kind: the population of the study sets weig",
        ),
        (
            ["population.py", "--set", "weighting.loss_weights.cls=3"],
            "--set weighting.loss_weights.cls: the population",
        ),
        (["searched.py", "--set", 'points=[{"train.lr": 0.1}]'], "--set: points and search: a study has either"),
        (["searched.py", "--set", 'search.objectives=["val_x"]'], r"search.objectives\[0\]: 'val_x' is no validation"),
        (
            ["searched.py", "--set", "search.num_configurations=0"],
            "--set: search.num_configurations: Input should be gr",
        ),
        (
            ["mine.py", "--set", "search.num_configurations=5"],
            "--set: 'search.num_configurations': search is not set in",
        ),
        (["searched.py", "--set", "train.validate_every=4"], "early_stopping: figures come every 4 of 4 epochs"),
        (
            ["mine.py", "--budget", "2x"],
            "--set: execution.budget_device_seconds: '2x' is no length of time; expected one",
        ),
        (["mine.py", "--budget", "90"], "--set: execution.budget_device_seconds: '90' is no length of time"),
        (["mine.py", "--budget", "0h"], "--set: execution.budget_device_seconds: Input should be greater than 0"),
    ],
)
def test_mistakes_in_a_search_are_one_line(arguments, message, capsys):
    assert main([*arguments, "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert re.match(f"error: {message}", told)
    assert told.count("\n") == 1


@pytest.mark.parametrize(("text", "seconds"), [("45m", 2700), ("1h30m", 5400)])
def test_a_budget_arrives(text, seconds):
    unset = dict.fromkeys(("data", "train", "val", "test", "seeds", "workers", "price"))
    study = override(load_study("mine.py"), Namespace(**unset, set=[], budget=text))
    assert study.execution.budget_device_seconds == seconds


def test_ctrl_c_says_how_to_go_on():
    Path("slow.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "study.run", "slow.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told.startswith("interrupted: finished trials and the checkpoints of unfinished ones are kept; the same")
    assert len(told.splitlines()) == 1


@pytest.fixture
def planned(cache_dir):
    """A store, and a function that plans three configurations with two seeds against it."""
    store = ResultStore("results", "example")
    points = [{"weighting.loss_weights": {"cls": cls}} for cls in (0.5, 1, 2)]
    study = make_study(points, seeds=(0, 1), execution=Execution(gpus_per_worker=0))
    return store, lambda **options: make_plan(study, store, cache_dir=cache_dir, **options)


def test_the_plan_tells_done_from_new_and_again(planned):
    store, plan = planned
    one, two, three, *_ = plan().trials
    data_hash = plan().splits.data_hash
    store.write_trial(make_measured_row(one, data_hash, train=160.0))
    store.write_trial(make_row(two, status="oom"))
    store.write_trial(make_measured_row(three, data_hash) | {"code_hash": "0" * 16})
    out = io.StringIO()
    show_plan(plan(), store, Console(file=out, width=160), every_trial=True)
    told = out.getvalue()
    assert re.search(rf"{one.trial_id} +cls=0.5 seed=0 +completed +180", told)
    assert re.search(rf"{two.trial_id} +cls=1 seed=0 +again \(oom\) +140", told)
    assert "example: 6 trials (2 seeds), 2 done, 4 to run" in told
    assert "predicted cost: 560 device-seconds" in told  # 140 for each of two, and 180 and 100
    assert "made by other code or packages (code): 1 of the finished trials; kept: --rerun-changed" in told
    show_plan(plan(rerun_changed=True), store, Console(file=out, width=160), every_trial=False)
    assert "1 done, 5 to run" in out.getvalue()


def test_a_difference_too_large_to_store_is_told(planned):
    store, plan = planned
    out = io.StringIO()
    code = Code("c" * 40, True, None, 12_345_678)
    show_plan(replace(plan(), code=code), store, Console(file=out, width=160), every_trial=False)
    assert "the code differs from its commit by 12.3 MB, too much to be stored" in out.getvalue()


def test_secrets_in_the_difference_are_told_where_they_are(planned):
    store, plan = planned
    out = io.StringIO()
    code = Code("c" * 40, True, "d" * 16, 100, ("a.py", ".env"))
    show_plan(replace(plan(), code=code), store, Console(file=out, width=200), every_trial=False)
    assert "what the code differs in from its commit looks like secrets in a.py, .env; the stored" in out.getvalue()


def test_the_outcome_counts_what_failed_and_what_everything_cost(planned):
    store, plan = planned
    trials = plan().trials
    for trial, mota in zip(trials, (0.5, 0.7, None, 0.6, 0.8, 0.9), strict=True):
        store.write_trial(make_row(trial, mota, **({} if mota else {"error": "CUDA is on fire"})))
        store.write_ledger(make_entry(trial, held_seconds=50.0))
    store.write_ledger(make_entry(None, held_seconds=15.0, train_seconds=0.0, eval_seconds=0.0))
    store.log_path(trials[2].trial_id).write_text("a log")
    out = io.StringIO()
    assert show_outcome(plan(), store, Console(file=out, width=160)) == 1
    told = out.getvalue()
    assert re.search(r"1 +cls=1 +2 +0\.750 ± 0\.071 +0\.700 +0\.375 +- +- +200 +completed", told)
    assert re.search(r"3 +cls=2 +1 of 2 +0\.900 .*1 completed, 1 failed", told)
    assert (
        "cost of the study: 630 device-seconds (train 360, eval 120, startup 60, lost 0, overhead 60; held for no"
        in told
    )
    assert f"failed: cls=2 seed=0 (trial {trials[2].trial_id}): CUDA is on fire; log: " in told
    picture = Path("results/example/cost_vs_accuracy.png").absolute()
    assert f"cost against accuracy: {picture}" in told
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_study_that_is_done_shows_its_outcome_without_running(cache_dir, capsys):
    study = "mine.py"
    store = ResultStore("results", "mine")
    for trial in make_plan(load_study(study), store, cache_dir=cache_dir).trials:
        store.write_trial(make_row(trial, 0.5))
    # The driver was killed after the last trial, while its workers waited.
    store.write_ledger(make_entry(None, entry_id="g-idle", held_seconds=10.0, status="running"))
    assert main([study]) == 0
    assert [(entry["status"], entry["held_seconds"]) for entry in store.ledger()] == [("lost", 15.0)]
    told = capsys.readouterr().out
    assert "mine: 3 trials, 3 done, 0 to run" in told
    assert "cost against accuracy: " in told
    (manifest,) = Path("results/mine/data").iterdir()
    kept = json.loads(manifest.read_text())
    assert kept["root"] == "synthetic:tiny"
    assert kept["train"]


def test_logs_can_be_had_of_a_study_that_is_done(cache_dir, capsys):
    store = ResultStore("results", "mine")
    for trial in make_plan(load_study("mine.py"), store, cache_dir=cache_dir).trials:
        store.write_trial(make_row(trial, 0.5))
    assert main(["mine.py", "--log", "tensorboard", "--log", "mlflow", "--log", "tune"]) == 0
    runs = Path("results/mine/tensorboard").absolute()
    assert sorted(path.name.rpartition(" ")[0] for path in runs.iterdir()) == [
        f"cls={cls} seed=0" for cls in (0.5, 1, 2)
    ]
    *_, tensorboard, mlflow = capsys.readouterr().out.splitlines()  # and nothing of Tune, since nothing ran
    assert tensorboard == f"tensorboard: tensorboard --logdir '{runs}'"
    store_of_mlflow = runs.parent / "mlruns"
    assert mlflow == f"mlflow: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri '{store_of_mlflow}'"


def play(display: Display, trials) -> None:
    one, two, *_ = trials
    with display:
        display(TrialStarted(one, 1))
        display(TrialStarted(two, 2))
        display(EpochFinished(one, 1, 4, {"val_mota": 0.5, "val_idf1": 0.25}, 61.0, "healthy"))
        display(Note("worker lost; trying again"))
        display(EpochFinished(two, 4, 4, {}, 2.0, "collapsed"))
        display(TrialEnded(two, make_row(two, error="out of memory", status="oom")))
        display(TrialEnded(one, make_row(one, 0.625, weighting_status="one_task", weighting_status_step=40)))


def test_events_are_plain_lines_when_nobody_watches(planned):
    _, plan = planned
    out = io.StringIO()
    display = Display(plan(), [], Console(file=out, width=40))
    play(display, plan().trials)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["[1/6] cls=0.5 seed=0: started", "[2/6] cls=1 seed=0: started, attempt 2"]
    # 23 of 24 epochs of 61 seconds are left, two trials run at a time.
    assert lines[2] == "[1/6] cls=0.5 seed=0: epoch 1/4 val MOTA 0.500 IDF1 0.250 (1m01s), ETA 11m42s"
    assert lines[3] == "worker lost; trying again"
    assert lines[4] == "[2/6] cls=1 seed=0: epoch 4/4 loss weights collapsed (2s), ETA 4m59s"
    assert lines[5] == "[2/6] cls=1 seed=0: oom: out of memory, 100 device-seconds"
    figures = "val MOTA 0.625 IDF1 0.575 HOTA 0.312"
    watched = "loss weights one task since step 40"
    assert lines[6] == f"[1/6] cls=0.5 seed=0: completed, {figures}, {watched}, 100 device-seconds"
    assert "\x1b" not in out.getvalue()


def test_a_terminal_shows_progress_the_time_to_go_and_the_best_so_far(planned):
    store, plan = planned
    done = plan().trials[2]
    store.write_trial(make_row(done, 0.75))
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system=None)
    display = Display(plan(), store.trials(), console)
    play(display, plan().trials)
    console.print(display.live.get_renderable())
    told = out.getvalue()
    assert "example: 3 of 6 trials" in told
    assert "best val MOTA 0.750 (cls=2 seed=0)" in told
    assert re.search(r"\d+s elapsed, ETA 6m18s", told)  # three trials of four epochs, one at a time
    assert "cls=1 seed=0: oom: out of memory" in told


def test_what_a_search_suggests_is_counted_as_it_comes(cache_dir):
    search = Search(space={"weighting.loss_weights": Simplex()}, num_configurations=3, start=({},))
    study = make_study(search=search)
    plan = make_plan(study, ResultStore("results", "example"), cache_dir=cache_dir)
    (first,) = plan.trials
    second, third = (
        replace(make_trial({"weighting.loss_weights": {"cls": 2.0 + i}}, index=1 + i), suggested={}) for i in (0, 1)
    )
    out = io.StringIO()
    with Display(plan, [], Console(file=out, width=40)) as display:
        display(TrialStarted(first, 1))
        assert display.eta == "unknown"
        display(EpochFinished(first, 2, 4, {}, 10.0, "healthy"))
        assert display.eta == "1m40s"  # two of its four epochs are left, and two trials that nobody knows
        display(TrialEnded(first, make_row(first, 0.5)))
        display(TrialStarted(second, 1))
        assert display.eta == "1m20s"
        display(TrialStarted(third, 2))
        assert display.eta == "40s"
        display(TrialDeclined(third))
        display(EpochFinished(second, 1, 4, {}, 10.0, "healthy"))
        assert display.eta == "30s"
    lines = out.getvalue().splitlines()
    assert lines[0] == "[1/3] cls=1 reg=1 reid=1 seed=0: started"
    assert "[3/3] cls=3 seed=0: started, attempt 2" in lines
    assert "[3/3] cls=3 seed=0: not started: what is left of the budget would not suffice" in lines


def test_paused_trials_that_the_budget_ends_have_not_finished(cache_dir, capsys):
    points = [{"weighting.loss_weights": {"cls": cls}} for cls in (1.0, 2.0, 3.0)]
    study = make_study(points, early_stopping=ASHA(), execution=Execution(budget_device_seconds=310.0))
    store = ResultStore("results", "example")
    plan = make_plan(study, store, cache_dir=cache_dir)
    for trial in plan.trials:
        store.write_trial(make_row(trial, 0.5, status="pruned", epochs=1, data_hash=plan.splits.data_hash))
        store.write_ledger(make_entry(trial, held_seconds=50.0))
        store.write_checkpoint(trial.trial_id, LAST, b"state")
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert show_outcome(plan, store, Console(width=160)) == 3
    assert "3 of 3 trials have not finished; more --budget goes on from here" in capsys.readouterr().out
    more = make_plan(replace_budget(study, 4000.0), store, cache_dir=cache_dir)
    assert show_outcome(more, store, Console(width=160)) == 3
    assert "3 of 3 trials have not finished; the same command goes on" in capsys.readouterr().out
    # Those that will never go on have no checkpoint any more.
    for trial in plan.trials:
        store.delete_checkpoint(trial.trial_id, LAST)
    assert show_outcome(make_plan(study, store, cache_dir=cache_dir), store, Console(width=160)) == 0


def replace_budget(study, seconds):
    execution = study.execution.model_copy(update={"budget_device_seconds": seconds})
    return study.model_copy(update={"execution": execution})


def test_members_of_a_population_train_the_epochs_of_their_generation(cache_dir):
    study = make_study(search=Population(size=2, epochs_per_generation=2))
    plan = make_plan(study, ResultStore("results", "example"), cache_dir=cache_dir)
    first, second = plan.trials
    display = Display(plan, [], Console(file=io.StringIO()))
    display(TrialStarted(first, 1))
    display(TrialStarted(second, 1))
    display(EpochFinished(first, 1, 4, {}, 10.0, "healthy"))
    # One epoch of this member, two of the other, and two members of two epochs, two at a time.
    assert display.eta == "35s"
    last = replace(first, until=None, trial_id="f" * 16, suggested={"generation": 2, "member": 1})
    display(TrialStarted(last, 1))
    assert display.left[last.trial_id] == 2


def test_a_failed_member_of_a_population_does_not_ask_for_the_same_command(cache_dir, capsys):
    study = make_study(search=Population(size=2, epochs_per_generation=2), weighting=hwf.Config())
    store = ResultStore("results", "example")
    for generation in range(2):
        plan = make_plan(study, store, cache_dir=cache_dir)
        for i, trial in enumerate(plan.missing):
            values = {"data_hash": plan.splits.data_hash, "varying": plan.varying}
            if i == generation == 0:
                store.write_trial(make_row(trial, None, error="out of luck", **values))
            else:
                store.write_trial(
                    make_row(trial, 0.5 + i / 10, status="pruned" if trial.until else "completed", **values)
                )
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.ended
    assert show_outcome(plan, store, Console(width=160)) == 1
    told = capsys.readouterr().out
    assert re.search(r"failed: generation=1 member=1 .* seed=0 \(trial [0-9a-f]{16}\): out of luck", told)
    assert "1 of 4 trials have not finished; the search went on without them" in told
    assert "and 1 that ended early (pruned), 100 device-seconds" in told
