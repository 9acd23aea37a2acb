"""The columns of the Parquet tables: name, type, unit and meaning, and which of them two equal runs may differ in.

Every column's metadata has `unit`, `meaning` and `volatile`; `volatile` is "true" for time, memory, host and date (and
for `attempts`, which counts faults). Two runs are bit-equal if all other columns are: `comparable` leaves those.
The `trials` table has, besides these columns, one for every setting that varies in its study, named by its dotted key.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import pandas as pd
import pyarrow as pa

from study.collapse import WEIGHTING_STATUSES

SCHEMA_VERSION = 3

Table = Literal["trials", "epochs", "steps", "sequences", "ledger"]
TABLES: tuple[Table, ...] = get_args(Table)

Status = Literal["completed", "pruned", "failed", "diverged", "oom", "timeout", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)

DONE = frozenset({"completed", "pruned", "diverged"})
"""Statuses that stand; trials with any other one run again."""

PACKAGES = ("ray", "torch", "torchvision", "numpy", "pillow", "pyarrow", "motmetrics", "trackeval", "torchjd")
"""Packages whose versions stand in `trials`, each as `<package>_version`."""

ROW_KEYS: dict[Table, tuple[str, ...]] = {
    "trials": ("trial_id",),
    "epochs": ("trial_id", "epoch", "split", "task"),
    "steps": ("trial_id", "step", "task"),
    "sequences": ("trial_id", "epoch", "split", "sequence"),
    "ledger": ("entry_id",),
}
"""What makes a row of a table the only one of its kind."""

TEXT, INTEGER, REAL, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TIME = pa.timestamp("ms", tz="UTC")


def _column(
    name: str, kind: pa.DataType, unit: str, meaning: str, *, volatile: bool = False, required: bool = False
) -> pa.Field:
    metadata = {"unit": unit, "meaning": meaning, "volatile": "true" if volatile else "false"}
    return pa.field(name, kind, nullable=not required, metadata=metadata)


def _identity(name: str, meaning: str, kind: pa.DataType = TEXT, unit: str = "") -> pa.Field:
    return _column(name, kind, unit, meaning, required=True)


def _seconds(name: str, meaning: str, unit: str = "device-seconds") -> pa.Field:
    return _column(name, REAL, unit, meaning, volatile=True)


METRICS: dict[str, tuple[pa.DataType, str, str]] = {
    "mota": (REAL, "fraction", "multiple object tracking accuracy, 1 - (fn + fp + idsw) / objects"),
    "motp": (REAL, "fraction", "mean overlap (IoU) of matched boxes"),
    "idf1": (REAL, "fraction", "F1 of identity-preserving matches"),
    "idp": (REAL, "fraction", "precision of identity-preserving matches"),
    "idr": (REAL, "fraction", "recall of identity-preserving matches"),
    "hota": (REAL, "fraction", "higher order tracking accuracy"),
    "deta": (REAL, "fraction", "detection accuracy, the detection part of HOTA"),
    "assa": (REAL, "fraction", "association accuracy, the association part of HOTA"),
    "idsw": (INTEGER, "count", "identity switches"),
    "fp": (INTEGER, "count", "false positives"),
    "fn": (INTEGER, "count", "misses"),
    "frag": (INTEGER, "count", "fragmentations: tracks interrupted and taken up again"),
    "mt": (INTEGER, "count", "mostly tracked objects, at least 80 % of their frames"),
    "pt": (INTEGER, "count", "partially tracked objects, at least 20 % and less than 80 % of their frames"),
    "ml": (INTEGER, "count", "mostly lost objects, less than 20 % of their frames"),
}
"""Tracking metrics of the MOTChallenge protocol: type, unit, meaning."""

DIAGNOSTICS: dict[str, tuple[pa.DataType, str, str]] = {
    "ap": (REAL, "fraction", "average precision of the detections at IoU 0.5"),
    "id_accuracy": (REAL, "fraction", "accuracy of the identity verification between two frames"),
}
"""Metrics of the network alone, recorded to explain the tracking metrics."""


def _metrics(names: dict[str, tuple[pa.DataType, str, str]], prefix: str = "", of: str = "") -> list[pa.Field]:
    return [_column(prefix + name, kind, unit, meaning + of) for name, (kind, unit, meaning) in names.items()]


_NORM = "norm of the gradient of the network (and of a weighting that shares its clip)"

_TRIAL = [_identity("study", "name of the study"), _identity("trial_id", "hash of configuration, seed and data")]
_EPOCH = _identity("epoch", "epoch, from 1", INTEGER, "count")

_TRIALS = [
    *_TRIAL,
    _identity("configuration_id", "hash of the resolved configuration, without seed"),
    _identity("seed", "seed of initialisation, data order and augmentation; -1 if an imported row lacks it", INTEGER),
    _identity("data_hash", "hash of the annotations and images that were read"),
    _column("weighting", TEXT, "", "kind of the weighting"),
    _column("objective", TEXT, "", "name of the objective"),
    _column("tracker", TEXT, "", "kind of the tracker"),
    _identity("configuration", "resolved configuration, defaults included, as JSON"),
    _identity("status", f"how the trial ended: {', '.join(STATUSES)}"),
    _column("error", TEXT, "", "why the trial did not complete"),
    _column("suggested", TEXT, "", "what a search chose, as JSON: parameter of its space to value; null without one"),
    _column("imported_from", TEXT, "", "file that an imported row was read from; null for rows of this platform"),
    _column("weighting_status", TEXT, "", f"what became of the loss weights: {', '.join(WEIGHTING_STATUSES)}"),
    _column("weighting_status_step", INTEGER, "count", "step since which the weighting status holds, unless healthy"),
    _column("attempts", INTEGER, "count", "executions that were started; a restart is one more", volatile=True),
    _column("epochs", INTEGER, "epochs", "epochs finished"),
    *_metrics(METRICS | DIAGNOSTICS, "val_", ", on the validation split after the last epoch"),
    *_metrics(METRICS | DIAGNOSTICS, "test_", ", on the test split at the end of the trial"),
    _seconds("device_seconds", "devices held for this trial, times how long; the sum of the five parts that follow"),
    _seconds("train_seconds", "held while training epochs that were kept"),
    _seconds("eval_seconds", "held while tracking and scoring, of epochs that were kept"),
    _seconds("startup_seconds", "held before training began: processes, model, data"),
    _seconds("lost_seconds", "held by attempts that broke off, for work that was not kept"),
    _seconds("overhead_seconds", "held for anything else: waiting, checkpoints, writing rows"),
    _seconds("predicted_device_seconds", "what the plan said before the trial ran"),
    _column("workers", INTEGER, "count", "workers of the trial"),
    _column(
        "devices_per_worker", REAL, "devices", "GPUs (or a fraction of one) of each worker, without GPUs CPU cores"
    ),
    _column("device_name", TEXT, "", "model of the GPU or CPU", volatile=True),
    _column("num_parameters", INTEGER, "count", "trained parameters of the network"),
    _column("precision", TEXT, "", "float32 or bfloat16: what the network was trained in"),
    _column("peak_memory_bytes", INTEGER, "bytes", "peak memory of one worker on its device", volatile=True),
    _column("git_sha", TEXT, "", "commit of the code"),
    _column("git_dirty", TRUTH, "", "whether the code differed from that commit"),
    _column("diff_hash", TEXT, "", "name of the stored difference to that commit, in `diffs/`; null if there is none"),
    _column("code_hash", TEXT, "", "hash of the source files that decide what a trial computes"),
    *(_column(f"{name}_version", TEXT, "", f"version of the package {name}") for name in PACKAGES),
    _column("python_version", TEXT, "", "version of Python"),
    _column("hostname", TEXT, "", "machine of the study's driver", volatile=True),
    _column("started_at", TIME, "UTC", "start of the first attempt", volatile=True),
    _column("ended_at", TIME, "UTC", "when this row was made", volatile=True),
    _column("schema_version", INTEGER, "", "version of these columns"),
]

_EPOCHS = [
    *_TRIAL,
    _EPOCH,
    _identity("split", "train or val"),
    _identity("task", "name of the task loss; empty in the row that holds the metrics of split val"),
    _column("loss", REAL, "", "unweighted task loss, mean over the epoch's steps or the validation pairs"),
    _column("loss_weight", REAL, "", "effective loss weight d total / d loss, mean over the epoch's steps"),
    _column("weighted_total", REAL, "", "what the network descends, mean over the epoch's steps"),
    _column("gradient_norm", REAL, "", f"{_NORM} before clipping, mean over the epoch's steps"),
    *_metrics(METRICS | DIAGNOSTICS),
    _seconds("train_seconds", "wall time of training in this epoch", "seconds"),
    _seconds("eval_seconds", "wall time of validation in this epoch", "seconds"),
]

_STEPS = [
    *_TRIAL,
    _EPOCH,
    _identity("step", "optimiser step, from 0, over all epochs", INTEGER, "count"),
    _identity("task", "name of the task loss"),
    _column("loss", REAL, "", "unweighted task loss, over the global batch"),
    _column("loss_weight", REAL, "", "effective loss weight, d total / d loss"),
    _column("raw_weight", REAL, "", "the method's own weight, where it differs from the effective one"),
    _column("weight_sum", REAL, "", "sum of the absolute effective loss weights; equal for all tasks of a step"),
    _column("smallest_share", REAL, "fraction", "smallest absolute effective loss weight over their sum"),
    _column("dead", TRUTH, "", "whether the method's own weight of this task is exactly zero"),
    _column("reversed", TRUTH, "", "whether the effective loss weight is negative: the network learns to raise it"),
    _column("weighted_total", REAL, "", "what the network descends"),
    _column("gradient_norm", REAL, "", f"{_NORM} before clipping"),
    _column("lr", REAL, "", "learning rate of the network"),
]

_SEQUENCES = [
    *_TRIAL,
    _EPOCH,
    _identity("split", "val or test"),
    _identity("sequence", "name of the sequence, with its frame range"),
    _column("num_frames", INTEGER, "frames", "frames scored"),
    *_metrics(METRICS | DIAGNOSTICS),
]

_LEDGER = [
    _identity("entry_id", "name of the entry"),
    _identity("study", "name of the study"),
    _column("trial_id", TEXT, "", "trial the devices were held for; none for time that belongs to the study"),
    _column("attempt", INTEGER, "count", "attempt of the trial, from 1"),
    _column("group_id", TEXT, "", "worker group that held the devices"),
    _identity("kind", "attempt; idle or startup of a worker group; superseded: an attempt whose rows were discarded"),
    _column("devices", REAL, "devices", "workers times devices of each that were held", required=True),
    _column("started_at", TIME, "UTC", "when holding began", volatile=True),
    _seconds("held_seconds", "wall time held", "seconds"),
    _seconds("startup_seconds", "wall time before training began", "seconds"),
    _seconds("train_seconds", "wall time of training, of epochs that were kept", "seconds"),
    _seconds("eval_seconds", "wall time of evaluation, of epochs that were kept", "seconds"),
    _identity("status", "running, paused (idle time, while a trial runs), lost, or what the attempt gave its trial"),
    _column("hostname", TEXT, "", "machine of the first worker", volatile=True),
]


def _schema(table: Table, columns: Iterable[pa.Field]) -> pa.Schema:
    return pa.schema(columns, metadata={"table": table, "schema_version": str(SCHEMA_VERSION)})


SCHEMAS: dict[Table, pa.Schema] = {
    "trials": _schema("trials", _TRIALS),
    "epochs": _schema("epochs", _EPOCHS),
    "steps": _schema("steps", _STEPS),
    "sequences": _schema("sequences", _SEQUENCES),
    "ledger": _schema("ledger", _LEDGER),
}


def setting_column(name: str, kind: pa.DataType) -> pa.Field:
    """Column of `trials` for a setting that varies, named by its dotted key."""
    return _column(name, kind, "", f"setting {name} of the configuration")


_VOLATILE = {field.name for schema in SCHEMAS.values() for field in schema if field.metadata[b"volatile"] == b"true"}


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of a table that two equal runs share to the last bit: all but time, memory, host and date."""
    return rows.drop(columns=[name for name in rows.columns if name in _VOLATILE])
