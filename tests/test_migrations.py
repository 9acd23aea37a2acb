import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from example_rows import make_entry, make_row, make_trial
from s3_server import serve

from study.errors import UserError
from study.files import open_folder
from study.migrations import migrate
from study.results import ResultStore, load
from study.run import main
from study.schema import SCHEMAS, TABLES

ADDED = {
    2: {
        "trials": {"weighting_status", "weighting_status_step", "precision", "torchjd_version"},
        "steps": {"weight_sum", "smallest_share", "dead", "reversed"},
    },
    3: {"trials": {"suggested", "imported_from", "diff_hash"}},
}


def age(file: Path, version: int, compression: str = "snappy") -> None:
    """Rewrite a file as the code of an older schema version wrote it."""
    rows = pq.read_table(file)
    later = set().union(*(ADDED[number].get(file.parent.name, ()) for number in ADDED if number > version))
    rows = rows.select([name for name in rows.column_names if name not in later])
    if "schema_version" in rows.column_names:
        place = rows.column_names.index("schema_version")
        rows = rows.set_column(place, "schema_version", pa.array([version] * len(rows), pa.int64()))
    rows = rows.replace_schema_metadata({"table": file.parent.name, "schema_version": str(version)})
    pq.write_table(rows, file, compression=compression)


def write_study(root: Path, name: str = "example") -> list[Path]:
    """A study of one trial with rows in every table; its files, by table."""
    store = ResultStore(root, name)
    trial = make_trial({"weighting.loss_weights": {"cls": 0.5}})
    store.write_trial(make_row(trial, 0.625))
    store.write_ledger(make_entry(trial))
    place = {"epoch": 1, "task": "cls"}
    store.write_rows("epochs", trial.trial_id, [{**place, "split": "train", "loss": 0.5}])
    store.write_rows("steps", trial.trial_id, [{**place, "step": i, "loss": 0.5} for i in range(3)])
    store.write_rows("sequences", trial.trial_id, [{"epoch": 1, "split": "val", "sequence": "a", "mota": 0.625}])
    return [next((root / name / table).iterdir()) for table in TABLES]


def content(files: list[Path]) -> list[bytes]:
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize("version", [1, 2])
def test_rows_of_an_older_version_come_back_with_null_in_what_it_lacked(tmp_path, version):
    files = write_study(tmp_path)
    before = {table: load(tmp_path, table) for table in TABLES}
    for file in files:
        age(file, version)
    with pytest.raises(UserError, match=f"schema version {version}, expected 3"):
        load(tmp_path)
    assert migrate(open_folder(tmp_path)) == {version: 5}
    for file, table in zip(files, TABLES, strict=True):
        schema = pq.read_schema(file)
        assert schema.metadata == SCHEMAS[table].metadata
        assert [schema.field(field.name) for field in SCHEMAS[table]] == list(SCHEMAS[table])
        after = load(tmp_path, table)
        lacked = set().union(*(ADDED[number].get(table, ()) for number in ADDED if number > version))
        assert after[list(lacked)].isna().all(axis=None)
        kept = [name for name in before[table].columns if name not in lacked]
        assert after[kept].equals(before[table][kept])
    assert load(tmp_path)["weighting.loss_weights.cls"].tolist() == [0.5]


def test_the_first_files_of_version_1_lack_what_later_ones_have(tmp_path):
    trials, *_ = write_study(tmp_path)
    age(trials, 1)
    rows = pq.read_table(trials)
    pq.write_table(rows.append_column("precision", pa.array(["bfloat16"])), trials)
    migrate(open_folder(tmp_path))
    assert load(tmp_path)["precision"].tolist() == ["bfloat16"]


def test_the_command_says_what_it_did_and_leaves_current_files_alone(tmp_path, capsys):
    one, two = write_study(tmp_path, "one"), write_study(tmp_path, "two")
    age(one[0], 1)
    age(two[0], 2)
    age(two[1], 2)
    before = content([*one, *two])
    assert main(["migrate", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}: files of schema version 1 that would be rewritten in version 3: 1",
        f"{tmp_path}: files of schema version 2 that would be rewritten in version 3: 2",
        f"{tmp_path}: files of schema version 3 already: 7",
    ]
    assert content([*one, *two]) == before
    assert main(["migrate", str(tmp_path / "two")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/two: files of schema version 2 rewritten in version 3: 2",
        f"{tmp_path}/two: files of schema version 3 already: 3",
    ]
    assert content(one) == before[:5]
    assert content(two[2:]) == before[7:]
    assert main(["migrate", str(tmp_path)]) == 0
    assert len(load(tmp_path)) == 2
    before = content([*one, *two])
    assert main(["migrate", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path}: files of schema version 3 already: 10"
    assert content([*one, *two]) == before


def test_a_file_stays_compressed_as_it_was(tmp_path):
    trials, *_ = write_study(tmp_path)
    age(trials, 2, compression="zstd")
    migrate(open_folder(tmp_path))
    assert pq.ParquetFile(trials).metadata.row_group(0).column(0).compression == "ZSTD"


NO_ROOM = """
import resource, sys
from study.run import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(["migrate", sys.argv[1]]))
"""


def test_a_migration_that_breaks_off_goes_on_from_there(tmp_path):
    trials, _, steps, *_ = write_study(tmp_path)
    store = ResultStore(tmp_path, "example")
    many = [{"epoch": 1, "step": i, "task": "cls", "loss": 1 / (i + 1)} for i in range(30_000)]
    store.write_rows("steps", steps.stem, many)
    for file in (trials, steps):
        age(file, 2)
    before = steps.read_bytes()
    done = subprocess.run([sys.executable, "-c", NO_ROOM, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"error: cannot write {steps}: the file is too large; what was written before is kept"
    )
    assert len(load(tmp_path)) == 1
    assert steps.read_bytes() == before
    assert migrate(open_folder(tmp_path)) == {2: 1, 3: 4}
    assert len(load(tmp_path, "steps")) == 30_000


def test_nothing_is_rewritten_if_any_file_cannot_be(tmp_path, capsys):
    files = write_study(tmp_path)
    trials, *_, ledger = files
    for file in files:
        age(file, 2)
    rows = pq.read_table(ledger)
    before = content(files[:-1])
    for metadata, found in (({"schema_version": "4"}, "4"), ({}, "none")):
        pq.write_table(rows.replace_schema_metadata(metadata), ledger)
        assert main(["migrate", str(tmp_path)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"error: {ledger}: schema version {found}, expected 3; ")
    ledger.write_bytes(b"PAR1 and nothing else")
    assert main(["migrate", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {ledger}: not a readable Parquet file")
    assert content(files[:-1]) == before
    with pytest.raises(UserError, match=f"{trials.parents[1]}/trials.*: schema version 2, expected 3"):
        load(tmp_path)


def test_a_folder_without_results_is_told(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert main(["migrate", str(folder)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {folder}: no results here; expected [<study>/]<table>/")


def test_an_object_store_migrates_like_a_folder(tmp_path):
    files = write_study(tmp_path)
    for file in files:
        age(file, 1)
    with serve("bucket") as uri:
        root = uri.replace("?", "/results?")
        for file, table in zip(files, TABLES, strict=True):
            (open_folder(root) / "example" / table).write(file.name, file.read_bytes())
        with pytest.raises(UserError, match=r"migrate s3://bucket/results/example' brings it to that"):
            load(root)
        assert main(["migrate", root]) == 0
        assert load(root)["val_mota"].tolist() == [0.625]
        assert migrate(open_folder(root)) == {3: 5}
