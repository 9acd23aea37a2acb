import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.metadata import NULL_TENSOR, SESSION_END_INFO_TAG, create_summary_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboardX import SummaryWriter as TensorboardX
from torch.utils.tensorboard import SummaryWriter

from study.imports.sources import read


@pytest.mark.parametrize("writer", [SummaryWriter, TensorboardX])
def test_a_folder_is_a_run_with_its_series_and_hyperparameters(tmp_path, writer):
    for i in (0, 1):
        with writer(str(tmp_path / "runs" / f"trial{i}")) as log:
            for step in (1, 2, 3):
                log.add_scalar("val/mota", 0.25 * step + i / 16, step, walltime=1_700_000_000 + step)
                log.add_histogram("losses", np.arange(step), step)
            log.add_hparams({"train.lr": 0.1, "weighting": "hwf", "clip": True}, {"val/mota": 0.0, "other": 0.5})
    one, two = read(str(tmp_path / "runs"))
    assert one.values == {"train.lr": 0.1, "weighting": "hwf", "clip": True}
    assert one.series == {"val/mota": {1: 0.25, 2: 0.5, 3: 0.75}, "other": {0: 0.5}}
    assert two.series["val/mota"] == {1: 0.3125, 2: 0.5625, 3: 0.8125}
    assert one.facts["status"] == "completed"
    assert one.facts["started_at"].isoformat() == "2023-11-14T22:13:21+00:00"
    assert (one.where, two.where) == (str(tmp_path / "runs" / "trial0"), str(tmp_path / "runs" / "trial1"))
    assert one.file == one.where


def test_a_run_keeps_its_name_wherever_its_folder_lies_and_however_it_is_given(tmp_path):
    with SummaryWriter(str(tmp_path / "runs" / "a")) as log:
        log.add_scalar("val/mota", 0.5, 1)
    (first,) = read(str(tmp_path / "runs"))
    (inner,) = read(str(tmp_path / "runs" / "a"))
    (file,) = (tmp_path / "runs" / "a").iterdir()
    (single,) = read(str(file))
    shutil.move(tmp_path / "runs", tmp_path / "old")
    (moved,) = read(str(tmp_path / "old"))
    assert first.name == inner.name == single.name == moved.name


def test_a_run_in_several_files_is_one_and_later_values_stand(tmp_path):
    for part, values in enumerate(({1: 0.5, 2: 0.25}, {2: 0.75, 3: 1.0})):
        with SummaryWriter(str(tmp_path), filename_suffix=f".{part}") as log:
            for step, value in values.items():
                log.add_scalar("val/mota", value, step)
    (run,) = read(str(tmp_path))
    assert run.series == {"val/mota": {1: 0.5, 2: 0.75, 3: 1.0}}


def test_scalars_that_are_tensors_count_and_a_failed_session_is_a_failed_run(tmp_path):
    log = EventFileWriter(str(tmp_path))
    log.add_event(Event(step=4, wall_time=1.0, summary=scalar_pb("val_mota", 0.5)))
    end = create_summary_metadata(HParamsPluginData(session_end_info=SessionEndInfo(status=Status.STATUS_FAILURE)))
    value = Summary.Value(tag=SESSION_END_INFO_TAG, metadata=end, tensor=NULL_TENSOR)
    log.add_event(Event(wall_time=2.0, summary=Summary(value=[value])))
    log.close()
    (run,) = read(str(tmp_path))
    assert run.series == {"val_mota": {4: 0.5}}
    assert run.facts["status"] == "failed"


def test_a_file_that_breaks_off_counts_up_to_there(tmp_path):
    with SummaryWriter(str(tmp_path)) as log:
        for step in range(100):
            log.add_scalar("val/mota", 0.5, step)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    (run,) = read(str(tmp_path))
    assert run.series.keys() == {"val/mota"}
    assert 30 < len(run.series["val/mota"]) < 60
    file.write_bytes(b"no event at all")
    (run,) = read(str(tmp_path))
    assert run.names == ()


WITHOUT = """
import sys
sys.modules["tensorboard"] = None
from study.run import main
sys.exit(main(["import", "old", sys.argv[1]]))
"""


def test_without_tensorboard_the_command_that_installs_it_is_named(tmp_path):
    with SummaryWriter(str(tmp_path)) as log:
        log.add_scalar("val/mota", 0.5, 1)
    done = subprocess.run([sys.executable, "-c", WITHOUT, tmp_path], capture_output=True, text=True, check=False)
    (file,) = Path(tmp_path).iterdir()
    assert done.returncode == 2
    needs = "reading event files needs tensorboard: pip install 'loss-weighting-study[tensorboard]'"
    assert done.stderr == f"error: {file}: {needs}\n"
