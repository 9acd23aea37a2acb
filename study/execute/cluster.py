"""Connecting to a cluster of Ray, or starting one on this machine, quietly and without a trace left."""

import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import ray
from ray._private import auto_init_hook, ray_constants
from ray._private.ray_logging import stdout_deduplicator
from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR
from ray.exceptions import AuthenticationError

from study.cluster_address import VARIABLE, cluster_address
from study.environment import environment
from study.errors import ClusterError, Terminated, UserError
from study.execute.lost import end_processes, last_word
from study.execute.ray_folder import ray_folder
from study.execute.shipping import stage

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_worker_niceness": "0",  # workers are what the machine is for
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    # Both start a process for every worker group; a machine that goes away is a fault like any other here.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same to workers as to the driver
    # Workers that outlive the driver would write beside those of the next one; by default they look every 10 s.
    "RAY_raylet_death_check_interval_milliseconds": "500",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # the rows are the state; Tune's own is never read
    "TUNE_WARN_THRESHOLD_S": "60",
    # Of a searcher not its own it takes one trial at a time, and the next when a process that follows it has started.
    # Ours says itself when there are enough.
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output can be silenced
}

_START_SECONDS, _START_SECONDS_OF_CLUSTERS = 600.0, 1800.0
"""How long a worker group may wait for its devices; an autoscaler's machine has to be set up first."""

_KNOCK_SECONDS = 10.0

_OBJECT_STORE_BYTES = 256 * 2**20
"""For plans; by default Ray takes 30 % of the memory."""


@contextmanager
def connected(threads: int) -> Iterator[Path]:
    """Be connected to Ray: to `cluster_address`, or else to a cluster of this machine that ends with this.

    Ray that the caller has initialised already is used as it is, and left running.

    Args:
        threads: CPU cores of a worker; libraries there use as many threads.

    Yields:
        A folder for Ray's own files, removed at the end.

    Raises:
        UserError: the cluster cannot be reached, or runs other versions.
        ClusterError: Ray does not start on this machine.
    """
    start_seconds = _START_SECONDS if cluster_address() is None else _START_SECONDS_OF_CLUSTERS
    variables = {
        **_QUIET,
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(start_seconds),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(_user_paths()),
    }
    ours = not ray.is_initialized()
    with ray_folder() as storage, environment(variables), _quiet():
        try:
            with last_word():
                if ours:
                    auto_init_hook.enable_auto_connect = False  # threads that outlive this Ray start no second one
                    with _interrupts_wait():
                        _start(variables, storage)
                with _termination_interrupts():
                    yield storage
        except ClusterError:
            if ours:
                end_processes()
            raise
        finally:
            if ours:
                with _interrupts_wait():
                    ray.shutdown()


def _start(variables: Mapping[str, str], storage: Path) -> None:
    if (address := cluster_address()) is not None:
        _connect(address, variables, storage)
        return
    # Without the dashboard: its eleven processes hold 1 GB and keep two cores busy for 3 s.
    try:
        with _loopback():
            ray.init(
                "local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                _temp_dir=str(storage),
            )
    except Exception as error:  # if a process of Ray's dies meanwhile, it raises exactly this class
        raise ClusterError(f"Ray does not start on this machine: {str(error).splitlines()[0]}") from error


@contextmanager
def _loopback() -> Iterator[None]:
    """Have Ray's processes listen on this machine's loopback alone, as it does by itself on macOS and Windows.

    Its setting for that is read when ray is imported, which is long before.
    """
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _connect(address: str, variables: Mapping[str, str], storage: Path) -> None:
    """Connect to a cluster that runs already, whose workers get this process's code.

    Raises:
        UserError: it cannot be reached, or runs other versions of Ray or Python.
    """
    theirs = {name: value for name, value in variables.items() if name != "PYTHONPATH"}  # paths of this machine
    runtime_env: dict[str, Any] = {"env_vars": theirs, "config": {"setup_timeout_seconds": 600}}
    if not _has_working_dir():
        runtime_env["working_dir"] = str(stage(storage / "code"))
    told = f"{VARIABLE}={address}" if VARIABLE in os.environ else f"the cluster of this machine, {address}"

    def refusal(reason: str, advice: str) -> UserError:
        return UserError(f"{told}: {reason}; {advice}, or set RAY_ADDRESS=local to run on this machine")

    elsewhere = "a driver runs on a machine of the cluster: `ray exec`, or `ray job submit`, or `ray start` here"
    if address.startswith("ray://"):
        raise refusal("expected HOST:PORT", elsewhere)
    try:
        _knock(address)
        _show_token(address)
        ray.init(address, runtime_env=runtime_env, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, ValueError) as error:
        raise refusal(str(error).splitlines()[0], "start the cluster, or see to the address") from None
    except AuthenticationError as error:
        advice = "set RAY_AUTH_MODE=token and give this machine the cluster's ~/.ray/auth_token"
        raise refusal(str(error).splitlines()[0], advice) from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        if "ersion mismatch" in reason:
            raise refusal(reason, "install the cluster's versions here (constraints.txt)") from None
        raise refusal(reason.partition(". ")[0], elsewhere) from None


def _knock(address: str) -> None:
    """See whether anything listens there; Ray itself would try for minutes.

    Raises:
        OSError: nothing does, or there is no such machine.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _show_token(address: str) -> None:
    """See whether the cluster takes this process's token, or asks for none; Ray itself would write a line a second.

    Raises:
        AuthenticationError: it does not.
    """
    import grpc  # type: ignore[import-untyped]
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated.gcs_service_pb2 import GetClusterIdRequest  # type: ignore[attr-defined]
    from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

    try:
        with init_grpc_channel(address) as channel:
            NodeInfoGcsServiceStub(channel).GetClusterId(GetClusterIdRequest(), timeout=_KNOCK_SECONDS)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise AuthenticationError("it asks for another token") from None
        # Whatever else is wrong, Ray tells.


def _has_working_dir() -> bool:
    """Whether `ray job submit` has sent the code already."""
    return "working_dir" in json.loads(os.environ.get(RAY_JOB_CONFIG_JSON_ENV_VAR) or "{}").get("runtime_env", {})


def _user_paths() -> list[str]:
    """Where this process finds modules that Python's own installation does not bring, such as the user's parts."""
    paths = dict.fromkeys(Path(entry).absolute() for entry in sys.path)
    installed = (Path(sys.prefix), Path(sys.base_prefix))
    return [str(path) for path in paths if not any(path.is_relative_to(prefix) for prefix in installed)]


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C take effect at the end: Ray that is interrupted here leaves processes behind, or crashes Python."""
    if threading.current_thread() is not threading.main_thread():  # which alone sees Ctrl-C
        yield
        return
    arrived: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM, which batch systems send, end a study in order; Ray's own handler aborts the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    arrived: list[int] = []

    def terminate(number: int, _: object) -> NoReturn:
        arrived.append(number)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        if arrived:  # Ray raises a KeyboardInterrupt of its own where it is interrupted
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray in this process; what matters of it comes as an exception."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.train", "ray.data")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    # Without it a paragraph on every worker that died appears on stdout; our own line says what is done about it.
    skipped, stdout_deduplicator.skip_re = stdout_deduplicator.skip_re, re.compile("")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\.")
        warnings.filterwarnings("ignore", category=FutureWarning)
        try:
            yield
        finally:
            stdout_deduplicator.skip_re = skipped
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
