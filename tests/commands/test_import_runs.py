import io
import json
import math
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from example_rows import DATA_HASH, make_measured_row, make_row, make_study, make_trial
from rich.console import Console
from s3_server import serve

from analysis.figures.cost import cost_vs_accuracy
from analysis.leaderboard import leaderboard
from analysis.methods import methods
from study.config import digest
from study.plan import make_plan
from study.results import ResultStore, load
from study.run import main
from study.schema import SCHEMAS
from study.summary import show_outcome

pytestmark = pytest.mark.usefixtures("_in_a_folder_of_its_own")

PAST = """
    weighting,weighting.loss_weights.cls,train.lr,seed,val_mota,val_idf1,device_seconds
    hwf,1,0.002,0,0.612,0.581,1200
    hwf,1,0.002,1,0.62,0.59,1210.5
    gradnorm,,.001,0,0.631,0.6,
"""


def write(text: str, name: str = "past.csv") -> str:
    Path(name).write_text(textwrap.dedent(text).lstrip())
    return name


def test_rows_of_a_csv_file_come_back_with_their_settings_and_figures(bring, tmp_path):
    told = bring(write(PAST))
    assert told.splitlines() == [
        "old (a new study): 3 runs imported: 3 completed",
        "settings: train.lr, weighting.kind, weighting.loss_weights.cls",
        "without device_seconds, so of unknown cost: 1",
    ]
    rows = load("results")
    assert set(rows["imported_from"]) == {str(tmp_path / "past.csv")}
    assert set(rows["data_hash"]) == {"imported"}
    rows = rows.set_index(["weighting", "seed"])
    assert rows["val_mota"].to_dict() == {("hwf", 0): 0.612, ("hwf", 1): 0.62, ("gradnorm", 0): 0.631}
    assert rows["train.lr"].to_dict() == {("hwf", 0): 0.002, ("hwf", 1): 0.002, ("gradnorm", 0): 0.001}
    assert rows["device_seconds"].isna().to_dict() == {("hwf", 0): False, ("hwf", 1): False, ("gradnorm", 0): True}
    first = rows.loc["hwf", 0]
    assert json.loads(first["configuration"]) == {
        "weighting": {"kind": "hwf", "loss_weights": {"cls": 1}},
        "train": {"lr": 0.002},
    }
    assert first["configuration_id"] == digest(json.loads(first["configuration"]))
    for name in ("code_hash", "git_sha", "torch_version", "attempts", "test_mota", "tracker"):
        assert rows[name].isna().all()
    assert load("results", "epochs").empty


def test_imported_rows_are_ranked_and_marked_and_an_unknown_cost_is_not_zero(bring):
    bring(write(PAST))
    board = leaderboard(load("results"))
    assert board["configuration"].tolist() == [
        "lr=0.001 weighting=gradnorm (imported)",
        "lr=0.002 weighting=hwf (imported)",
    ]
    assert board["val_mota"].tolist() == pytest.approx([0.631, 0.616])
    assert math.isnan(board["device_seconds"].iloc[0])
    assert board["device_seconds"].iloc[1] == 2410.5
    table = methods(load("results"))
    assert table["method"].tolist() == ["gradnorm (imported)", "hwf (imported)"]
    assert table["seeds"].tolist() == [1, 2]
    assert math.isnan(table["device_seconds"].iloc[0])


def test_imported_rows_stand_beside_a_studys_own_and_not_among_them(bring):
    own = make_trial({"weighting.loss_weights": {"cls": 1}})
    ResultStore("results", "old").write_trial(make_row(own, 0.5, device_seconds=100.0))
    bring(write(PAST), "--data-hash", DATA_HASH)
    rows = load("results")
    rows.loc[rows["weighting"] == "hwf", "configuration_id"] = own.configuration_id
    assert leaderboard(rows)["seeds"].tolist() == [1, 2, 1]
    table = methods(rows)
    assert table["method"].tolist() == ["gradnorm (imported)", "hwf (imported)", "hwf"]
    assert table["device_seconds"].tolist()[1:] == [2410.5, 100]
    figure = cost_vs_accuracy(rows)
    assert figure.get_suptitle() == "old: 2 configurations, 3 trials"
    assert len([line for line in figure.axes[0].lines if line.get_marker() == "o"]) == 2


def test_a_run_of_the_study_shows_imported_rows_too(tmp_path, bring):
    study, store = make_study([{"weighting.loss_weights": {"cls": 1}}], name="old"), ResultStore("results", "old")
    plan = make_plan(study, store, cache_dir=tmp_path / "cache")
    bring(write("weighting,val_mota,weighting.loss_weights.cls\nhwf,0.7,2\n"))
    shown = Console(record=True, width=200, file=io.StringIO())
    assert show_outcome(plan, store, shown) == 1
    assert re.search(r"1 +hwf \(imported\) +1 +0.700 .* unknown +completed", shown.export_text())
    assert not Path("results/old/cost_vs_accuracy.png").exists()
    store.write_trial(make_row(plan.trials[0], 0.5))
    assert show_outcome(plan, store, shown) == 0
    told = shown.export_text()
    assert re.search(r"1 +cls=2 \(imported\) +1 +0.700 .* unknown +completed", told)
    assert re.search(r"2 +cls=1 +1 +0.500 .* 100 +completed", told)
    assert Path("results/old/cost_vs_accuracy.png").exists()


def test_the_same_file_again_replaces_its_rows_and_takes_out_what_it_lost(bring):
    bring(write(PAST))
    before = load("results")
    told = bring("past.csv")
    assert "in place of earlier rows of " in told
    assert load("results").equals(before)
    changed = PAST.replace("0.631", "0.641").replace("    hwf,1,0.002,1,0.62,0.59,1210.5\n", "")
    told = bring(write(changed))
    assert "earlier rows that the file no longer has, removed: 1" in told
    assert sorted(load("results")["val_mota"]) == [0.612, 0.641]
    Path("moved").mkdir()
    told = bring(write(changed, "moved/past.csv"))
    assert len(load("results")) == 2


def test_columns_tell_runs_apart_on_demand(bring):
    repeats = "run,weighting,val_mota\na,hwf,0.5\nb,hwf,0.6\n"
    told = bring(write(repeats), "--ignore", "run", fails=True)
    assert told == "error: past.csv, row 3: the same run as past.csv, row 2; seeds or --name-columns tell runs apart\n"
    told = bring("past.csv", "--name-columns", "run")
    assert "without a seed, kept as seed -1: 2" in told
    bring(write(repeats.replace("a,hwf,0.5", "a,lwf,0.7")), "--name-columns", "run")
    assert sorted(zip(load("results")["weighting"], load("results")["val_mota"], strict=True)) == [
        ("hwf", 0.6),
        ("lwf", 0.7),
    ]


def test_names_are_mapped_ignored_or_taken_if_known(bring):
    theirs = "Method;lr;MOTA;GPU s;comment;warm up\nhwf;0.1;0.5;60;first;3\n"
    options = ["--map", "Method=weighting", "--map", "MOTA=val/mota", "--map", "GPU s=device_seconds"]
    told = bring(
        write(theirs), *options, "--map", "lr=train.lr", "--map", "warm up=other.warm_up", "--ignore", "comment"
    )
    assert "left out" not in told
    (row,) = ResultStore("results", "old").trials()
    assert json.loads(row["configuration"]) == {
        "weighting": {"kind": "hwf"},
        "train": {"lr": 0.1},
        "other": {"warm_up": 3},
    }
    assert (row["val_mota"], row["device_seconds"]) == (0.5, 60)
    told = bring("past.csv", *options, "--known-only", "--dry-run")
    assert "left out, names: comment, lr, warm up" in told


def test_what_runs_share_is_said_once(bring):
    text = "val_mota,train.epochs,data_name\n0.5,3,\n0.6,,MOT20\n"
    bring(write(text), "--set", "weighting=hwf", "--set", "train.epochs=30", "--data-name", "MOT17", "--set", "seed=2")
    rows = load("results").sort_values("val_mota")
    assert rows["train.epochs"].tolist() == [3, 30]
    assert rows["data_hash"].tolist() == [digest("MOT17"), digest("MOT20")]
    assert rows["seed"].tolist() == [2, 2]


def test_percentages_are_converted_only_on_demand(bring):
    text = "weighting,val_mota,val_idf1,val_ml\nhwf,71.3,60%,4\nlwf,-3.5,0.5,4\n"
    told = bring(write(text), fails=True)
    expected = "expected a fraction, 0 to 1 (--percent divides by 100)"
    assert told == f"error: past.csv, row 2, column 'val_mota': 71.3, {expected}\n"
    bring("past.csv", "--percent")
    rows = load("results").sort_values("val_mota")
    assert rows["val_mota"].tolist() == pytest.approx([-0.035, 0.713])
    assert rows["val_idf1"].tolist() == pytest.approx([0.005, 0.6])
    assert rows["val_ml"].tolist() == [4, 4]
    told = bring(write("weighting,val_mota,val_idf1\nhwf,0.713,60\n"), "--percent", fails=True)
    assert told.startswith(
        "error: past.csv, row 2, column 'val_mota': no value is above 1, so these are no percentages"
    )


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        (
            "val_motaa",
            "0.5",
            "past.csv: column 'val_motaa' is not known; did you mean 'val_mota'? (rename it with --map",
        ),
        ("MOTA", "0.5", "past.csv: column 'MOTA' is not known; did you mean 'val_mota'?"),
        ("train.lrr", "0.5", "past.csv: column 'train.lrr' is not known; did you mean 'train.lr'?"),
        ("zzz", "0.5", "past.csv: column 'zzz' is not known; settings are named like train.lr or other.NAME"),
        ("train/loss/cls", "0.5", "past.csv: column 'train/loss/cls' is not known"),
        ("trial_id", "a", "past.csv: column 'trial_id' is not known"),
        (
            "val/mota",
            "0.5",
            "past.csv, row 2, column 'val/mota': is val_mota, and so is past.csv, row 2, column 'val_mota'",
        ),
        ("test_mota", "much", "past.csv, row 2, column 'test_mota': 'much' is not a number"),
        ("test_mota", '"0,5"', "past.csv, row 2, column 'test_mota': '0,5' is not a number; write a decimal point"),
        ("test_mota", "50%", "past.csv, row 2, column 'test_mota': '50%' is not a number"),
        ("test_mota", "-inf", "past.csv, row 2, column 'test_mota': -inf, expected a fraction, 0 to 1"),
        ("test_idf1", "-0.1", "past.csv, row 2, column 'test_idf1': -0.1, expected a fraction, 0 to 1"),
        ("val_idsw", "1.5", "past.csv, row 2, column 'val_idsw': 1.5 is not a whole number of 64 bits"),
        ("seed", "99999999999999999999", "past.csv, row 2, column 'seed': 99999999999999999999 is not a whole number"),
        ("device_seconds", "-1", "past.csv, row 2, column 'device_seconds': -1, expected a number of device-seconds"),
        ("device_seconds", "inf", "past.csv, row 2, column 'device_seconds': inf, expected a number of device-seconds"),
        (
            "status",
            "Completed",
            "past.csv, row 2, column 'status': 'Completed' is no status; did you mean 'completed'?",
        ),
        (
            "started_at",
            "yesterday",
            "past.csv, row 2, column 'started_at': 'yesterday' is not a time; expected one like",
        ),
        ("train.lr", "nan", "past.csv, row 2, column 'train.lr': nan is not finite, or too large"),
        ("weighting.kind", "lwf", "past.csv, row 2, column 'weighting.kind': is weighting.kind, and so is"),
        (
            "weighting.loss_weights,weighting.loss_weights.cls",
            '"{""cls"": 1}",2',
            "past.csv, row 2, column 'weighting.loss_weights.cls': is weighting.loss_weights.cls, and so is",
        ),
        (
            "weighting.loss_weights.cls,weighting.loss_weights",
            '2,"{""cls"": 1}"',
            "past.csv, row 2, column 'weighting.loss_weights': sets weighting.loss_weights.cls, and so does",
        ),
        (
            "weighting.loss_weights,weighting.loss_weights.cls",
            "even,2",
            "past.csv, row 2, column 'weighting.loss_weights.cls': weighting.loss_weights.cls is part of "
            "weighting.loss_weights, which past.csv, row 2, column 'weighting.loss_weights' sets already",
        ),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place_and_nothing_is_written(bring, header, cells, message):
    told = bring(write(f"weighting,val_mota,{header}\nhwf,0.5,{cells}\n"), fails=True)
    assert told.startswith(f"error: {message}")
    assert told.count("\n") == 1
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weighting,val_mota\nhwf,\n", "past.csv, row 2: completed without a figure such as val_mota; say its status"),
        ("weighting,val_mota\nhwf,nan\n", "past.csv, row 2: completed without a figure such as val_mota"),
        (
            "weighting,val_mota\n,0.5\n",
            "past.csv, row 2: no weighting; say --map THEIRS=weighting, or --set weighting=",
        ),
        (
            "weighting,val_mota,train.lr\nhwf,0.5,0.1\nlwf,0.5,high\n",
            "past.csv, row 3, column 'train.lr': 'high' is text, but train.lr is a number in past.csv, row 2",
        ),
    ],
)
def test_rows_that_say_too_little_or_differ_in_kind_are_named(bring, text, message):
    assert bring(write(text), fails=True).startswith(f"error: {message}")


def test_a_failed_run_needs_no_figure(bring):
    bring(write("weighting,val_mota,status,error,seed\nhwf,0.5,,,0\nhwf,,oom,out of memory,1\n"))
    assert leaderboard(load("results"))["status"].tolist() == ["1 completed, 1 oom"]


def test_what_mlflow_exports_as_csv_says_how_runs_ended(bring):
    exported = "run_id,status,start_time,metrics.MOTA,params.method,params.seed\n"
    rows = "a,FINISHED,2026-11-21 18:33:59.037+00:00,0.5,hwf,0\nb,KILLED,2026-11-21 18:33:59.037+00:00,,hwf,1\n"
    names = {
        "metrics.MOTA": "val_mota",
        "params.method": "weighting",
        "params.seed": "seed",
        "start_time": "started_at",
    }
    maps = [part for theirs, ours in names.items() for part in ("--map", f"{theirs}={ours}")]
    bring(write(exported + rows), *maps, "--name-columns", "run_id")
    assert load("results").sort_values("seed")["status"].tolist() == ["completed", "interrupted"]


def test_a_number_is_one_setting_however_it_is_written(bring):
    forms = {"train.lr": ("0.5", ".5", "5e-1"), "train.epochs": ("3", "3.0", "3.")}
    for name, texts in forms.items():
        bring(write(f"weighting,val_mota,seed,{name}\n" + "".join(f"hwf,0.5,{i},{t}\n" for i, t in enumerate(texts))))
        rows = load("results")
        assert rows["configuration_id"].nunique() == 1
        assert rows[name].tolist() == [float(texts[0])] * 3


def test_settings_that_are_no_numbers_keep_their_kind(bring):
    bring(write('weighting,val_mota,train.optimizer,weighting.detach,data.image_size\n7,0.5,adam,true,"[320, 176]"\n'))
    (row,) = ResultStore("results", "old").trials()
    assert json.loads(row["configuration"]) == {
        "weighting": {"kind": "7", "detach": True},
        "train": {"optimizer": "adam"},
        "data": {"image_size": [320, 176]},
    }
    assert row["data.image_size"] == "[320, 176]"


def test_a_study_may_be_given_by_its_file(capsys):
    folder = Path(__file__).parents[2] / "search_spaces"
    assert main(["import", str(folder / "hwf_grid.py"), write(PAST)]) == 0
    assert capsys.readouterr().out.startswith("hwf_grid (a new study): 3 runs imported")


def test_a_setting_that_differs_in_kind_from_the_studys_own_is_named(bring):
    own = make_trial()
    ResultStore("results", "old").write_trial(make_row(own, 0.5))
    told = bring(write("weighting,val_mota,train.lr\nhwf,0.5,high\n"), fails=True)
    where = f"trial {own.trial_id}"
    assert told == f"error: past.csv, row 2, column 'train.lr': 'high' is text, but train.lr is a number in {where}\n"
    assert len(load("results")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "lrr=train.lr"], "--map lrr=train.lr: no run has 'lrr'; did you mean 'lr'?"),
        (["--map", "lr=train.lrr"], "--map lr=train.lrr: 'train.lrr' is not known; did you mean 'train.lr'?"),
        (["--map", "lr"], "--map lr: expected THEIRS=OURS"),
        (
            ["--map", "lr=train.lr", "--map", "lr=weighting.lr"],
            "--map lr=weighting.lr: 'lr' has --map lr=train.lr already",
        ),
        (["--set", "weighting"], "--set weighting: expected KEY=VALUE"),
        (["--set", "val_mota=0.5"], "--set val_mota: nothing that past runs share"),
        (["--set", "statsu=failed"], "--set statsu: nothing that past runs share; did you mean 'status'?"),
        (["--set", "status=done", "--ignore", "lr"], "--set status: 'done' is no status"),
        (["--name-columns", "rnu"], "--name-columns rnu: no such column in past.csv; did you mean 'run'?"),
        (["--steps-per-epoch", "0"], "--steps-per-epoch 0: expected at least 1"),
        (["--data-name", "a", "--data-hash", "b"], "argument --data-hash: not allowed with argument --data-name"),
    ],
)
def test_a_mistake_in_an_option_is_named(bring, options, message):
    told = bring(write("run,weighting,lr,val_mota\na,hwf,0.1,0.5\n"), "--ignore", "run", *options, fails=True)
    assert told.startswith(f"error: {message}")


def test_what_holds_no_runs_is_told(bring, capsys):
    Path("empty").mkdir()
    Path("runs.db").write_bytes(b"SQLite")
    Path("notes.md").write_text("none")
    for place, message in {
        "nowhere": "no such file or folder",
        "empty": "no runs here; expected a .csv file, TensorBoard's event files",
        "notes.md": "no runs here; expected a .csv file",
        "runs.db": "a database; export MLflow's with 'mlflow experiments csv' and import that file",
        "s3://bucket/runs": "past runs are read from this machine; copy them here first",
    }.items():
        assert bring(place, fails=True).startswith(f"error: {place}: {message}")
    assert main(["import", "a/b", write(PAST)]) == 2
    assert capsys.readouterr().err.startswith("error: a/b: no name of a study")


def test_a_dry_run_writes_nothing(bring):
    assert bring(write(PAST), "--dry-run").startswith("old (a new study): 3 runs would be imported: 3 completed\n")
    assert not Path("results").exists()


def test_rows_come_to_an_object_store_too(bring):
    with serve("bucket") as uri:
        bring(write(PAST), "--results", uri)
        assert len(load(uri)) == 3


def test_every_value_that_a_run_may_have_fits_its_column(bring):
    cells = {"double": "0.5", "int64": "1", "string": "completed", "timestamp[ms, tz=UTC]": "2025-01-31T12:00:00"}
    fields = [
        field
        for field in SCHEMAS["trials"]
        if field.name.startswith(
            ("val_", "test_", "status", "started_at", "num_parameters", "peak_memory", "precision")
        )
    ]
    header = ",".join(field.name for field in fields)
    bring(write(f"weighting,{header}\nhwf,{','.join(cells[str(field.type)] for field in fields)}\n"))
    (row,) = ResultStore("results", "old").trials()
    assert all(row[field.name] is not None for field in fields)


def test_an_imported_row_is_never_taken_for_a_trial_of_the_study_or_its_cost(tmp_path):
    study = make_study(({}, {"train.lr": 0.01}), seeds=(0, 1))
    store = ResultStore(tmp_path / "results", "example")
    cache_dir = tmp_path / "cache"
    plan = make_plan(study, store, cache_dir=cache_dir)
    first, *_ = plan.trials
    row = make_measured_row(first, plan.splits.data_hash)
    store.write_trial(row | {"imported_from": "/past.csv"})
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.done == frozenset()
    assert plan.predictions.trials == {}
    store.write_trial(row)
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.done == {first.trial_id}
    assert plan.predictions.trials


def test_the_help_names_the_options_and_nothing_heavy_is_imported(capsys):
    look = "print({'torch', 'ray', 'mlflow'} & set(sys.modules))"
    command = f"import sys; from study.run import main; main(sys.argv[1:]); {look}"
    run = [sys.executable, "-c", command, "import", "old", write(PAST)]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.splitlines()[-1] == "set()"
    with pytest.raises(SystemExit, match="0"):
        main(["import", "--help"])
    assert re.search(r"--map THEIRS=OURS .*--percent", capsys.readouterr().out, re.DOTALL)
