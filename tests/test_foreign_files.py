"""Files from elsewhere are data: no code that they name is run, and each is told in one line."""

import io
import json
import os
import pickle
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from example_rows import make_row, make_trial
from s3_server import running
from torchvision.models import resnet18

from study.checkpoint import load_model, read_model
from study.components import load_component
from study.config import WeightingConfig
from study.errors import UserError
from study.files import open_folder
from study.losses import hungarian_network
from study.reproduction import find_trial, plan_again
from study.results import ResultStore, load
from study.track import main as track
from study.tracker.backbone import load_state_dict


class Executes:
    """Unpickling an instance makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def saved(content, *, zipped):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


FORMS = {
    "zip": lambda content: saved(content, zipped=True),
    "before zip": lambda content: saved(content, zipped=False),
    "plain pickle": pickle.dumps,
}

READERS = {
    "a trained tracker": load_model,
    "train.start_from": lambda path: read_model(path.read_bytes(), "train.start_from: model of trial t"),
    "tracker.pretrained": lambda path: load_state_dict(resnet18(), path),
    "a network of assignments": hungarian_network.load,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", READERS)
def test_code_in_a_checkpoint_is_not_run(reader, form, tmp_path):
    made, path = tmp_path / "made", tmp_path / "file.pt"
    content = {"format": 1, "configuration": "{}", "tracker": {}, "conv1.weight": Executes(made)}
    path.write_bytes(FORMS[form](content))
    with pytest.raises(UserError) as told:
        READERS[reader](path)
    assert not made.exists()
    assert "\n" not in str(told.value)
    assert "weights_only" not in str(told.value)  # torch's own words on how to run it all the same
    if form == "zip":
        assert "it names code (posix.mkdir), which is never run" in str(told.value)


def test_tracking_with_a_hostile_file_ends_in_a_line(tmp_path, capsys):
    made, path = tmp_path / "made", tmp_path / "model.pt"
    torch.save(Executes(made), path)
    assert track([str(path), str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert not made.exists()
    assert told.out == ""
    assert told.err.startswith(f"error: {path}: not a checkpoint of a trained tracker (it names code")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"configuration": "{nope"},
        {"configuration": 5},
        {"configuration": None},
        {"tracker": 5},
        {"tracker": {"a": "b"}},
    ],
)
def test_checkpoints_of_odd_content_are_told(changes, tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"format": 1, "configuration": "{}", "tracker": {}} | changes, path)
    with pytest.raises(UserError, match=r"model\.pt: (expected a trained tracker|its configuration cannot be read)"):
        load_model(path)


@pytest.mark.parametrize("kind", ["this", "idlelib.idle", "", ".relative", "a b", "../x", "hwf\n"])
def test_no_module_of_pythons_own_and_no_odd_name_is_imported_for_a_component(kind):
    before = set(sys.modules)
    with pytest.raises(UserError, match="kind: "):
        load_component("study.weighting", WeightingConfig, kind)
    assert not {"this", "idlelib.idle"} & (set(sys.modules) - before)


@pytest.fixture
def stored(tmp_path):
    """Results of one trial, and its file."""
    store, trial = ResultStore(tmp_path / "results", "example"), make_trial()
    store.write_trial(make_row(trial, 0.5))
    return store, tmp_path / "results" / "example" / "trials" / f"{trial.trial_id}.parquet"


def put(path, **columns):
    """Other values in a row's file."""
    table = pq.read_table(path)
    for name, value in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array([value]))
    pq.write_table(table, path)


def test_pandas_and_extension_types_of_a_file_have_no_say(stored, tmp_path):
    store, path = stored
    expected = load(tmp_path / "results")
    made = tmp_path / "made"
    table = pq.read_table(path)
    hostile = {
        b"ARROW:extension:name": b"arrow.py_extension_type",  # which Arrow unpickled, once
        b"ARROW:extension:metadata": pickle.dumps(Executes(made)),
    }
    column = {"name": "seed", "field_name": "seed", "pandas_type": "object", "numpy_type": "O", "metadata": None}
    pandas = {"index_columns": ["seed"], "columns": [column], "column_indexes": []}
    fields = [field.with_metadata(hostile) if field.name in ("weighting", "error") else field for field in table.schema]
    for text in (json.dumps(pandas).encode(), b"{{{"):
        metadata = {**table.schema.metadata, b"pandas": text}
        pq.write_table(table.cast(pa.schema(fields, metadata=metadata)), path)
        assert load(tmp_path / "results").equals(expected)
        assert store.trials()[0]["weighting"] == expected["weighting"].item()
    assert not made.exists()


@pytest.mark.parametrize(
    ("column", "value"), [("val_mota", "high"), ("configuration", "{nope"), ("configuration", "[1]"), ("seed", "one")]
)
def test_columns_that_hold_something_else_are_told(column, value, stored, tmp_path):
    _, path = stored
    put(path, **{column: value})
    with pytest.raises(UserError, match=rf"{path}: not a readable Parquet file \(.*\); delete it"):
        load(tmp_path / "results")


def test_whatever_is_damaged_is_read_or_told_in_a_line(stored, tmp_path):
    store, path = stored
    whole, draws = path.read_bytes(), random.Random(0)
    told = []
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(draws.choice((1, 2, 5))):
            damaged[draws.randrange(len(damaged))] = draws.randrange(256)
        path.write_bytes(damaged)
        for read in (store.trials, lambda: load(tmp_path / "results")):
            try:
                read()
            except UserError as error:
                told.append(str(error))
    assert len(told) > 50
    assert not [text for text in told if "\n" in text]


def test_a_store_that_refuses_is_not_taken_for_a_damaged_file():
    with running("bucket") as server:
        ResultStore(server.uri, "example").write_trial(make_row(make_trial(), 0.5))
        asked = iter(range(10**9))
        server.refuse = lambda *_: ("503 Slow Down", "SlowDown") if next(asked) % 3 == 0 else None
        assert len(load(server.uri)) == 1
        server.refuse = lambda method, path: (
            ("403 Forbidden", "AccessDenied") if method == "GET" and path.endswith(".parquet") else None
        )
        with pytest.raises(UserError, match=r"cannot be read \(.*ACCESS_DENIED") as told:
            load(server.uri)
        assert "delete" not in str(told.value)
        assert open_folder(server.uri)


def test_rows_name_no_file_to_run_and_no_place_to_write(stored, tmp_path):
    store, path = stored
    made = tmp_path / "made"
    (tmp_path / "evil.py").write_text(f"from pathlib import Path\nPath({str(made)!r}).touch()\n")
    row = store.trials()[0] | {"study": str(tmp_path / "evil.py"), "epochs": 1}
    with pytest.raises(UserError):
        plan_again(row, store, ResultStore(tmp_path / "scratch", "example"), tmp_path / "cache", None)
    assert not made.exists()
    for column, value in (("trial_id", "../../made"), ("study", "../made")):
        whole = path.read_bytes()
        put(path, **{column: value})
        with pytest.raises(UserError, match="its file holds the row of another one; delete it"):
            find_trial(str(tmp_path / "results"), path.stem)
        path.write_bytes(whole)
