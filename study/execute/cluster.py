"""Connecting to a cluster of Ray, or starting one on this machine, quietly and without a trace left."""

import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ray

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_worker_niceness": "0",  # workers are what the machine is for
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    # Both start a process for every worker group; a machine that goes away is a fault like any other here.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same to workers as to the driver
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # the rows are the state; Tune's own is never read
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output can be silenced
}


@contextmanager
def connected(threads: int, start_timeout_seconds: float = 600.0) -> Iterator[Path]:
    """Be connected to Ray: to the cluster at `RAY_ADDRESS`, or else to one of this machine that ends with this.

    Ray that the caller has initialised already is used as it is, and left running.

    Args:
        threads: CPU cores of a worker; libraries there use as many threads.
        start_timeout_seconds: how long a worker group may wait for its devices.

    Yields:
        A folder for Ray's own files, removed at the end.
    """
    path = os.pathsep.join(dict.fromkeys(str(Path(entry).absolute()) for entry in sys.path))
    variables = {
        **_QUIET,
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(start_timeout_seconds),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": path,
    }
    storage = Path(tempfile.mkdtemp(prefix="study-ray-"))
    ours = not ray.is_initialized()
    with _environment(variables), _quiet():
        try:
            if ours:
                _start(variables, storage)
            yield storage
        finally:
            if ours:
                ray.shutdown()
            shutil.rmtree(storage, ignore_errors=True)


def _start(variables: Mapping[str, str], storage: Path) -> None:
    if os.environ.get("RAY_ADDRESS"):
        runtime_env = {"env_vars": dict(variables)}
        ray.init(runtime_env=runtime_env, log_to_driver=False, logging_level=logging.CRITICAL)
    else:
        # Without the dashboard: its eleven processes hold 1 GB and keep two cores busy for 3 s.
        ray.init(
            include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL, _temp_dir=str(storage / "ray")
        )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which the processes started meanwhile inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray in this process; what matters of it comes as an exception."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.train", "ray.data")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\.")
        warnings.filterwarnings("ignore", category=FutureWarning)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
