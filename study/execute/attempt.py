"""One execution of a trial, with everything that it leaves in the results; runs without ray."""

import io
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from study.device import device_name
from study.errors import DivergedError, UserError
from study.events import OnEvent, Trial, TrialEnded, TrialPaused, TrialStarted
from study.execute.holding import Holding
from study.execute.record import Record
from study.execute.verdict import Verdict
from study.plan import Plan
from study.results import LAST, PREVIOUS, ResultStore, attempt_entry
from study.schema import Status
from study.secrecy import without_secrets
from study.tensors import load_tensors
from study.train import EpochResult, TrialResult, train_trial

_log = logging.getLogger(__name__)


def run_attempt(
    trial: Trial,
    plan: Plan,
    store: ResultStore,
    *,
    attempt: int,
    device: torch.device,
    devices: float = 1.0,
    group_id: str = "here",
    report: OnEvent = lambda _: None,
    verdict: Callable[[], Verdict] | None = None,
    idle: Holding | None = None,
) -> dict[str, Any] | None:
    """Run a trial from its last checkpoint to its end.

    Every worker of a trial runs this; rank 0 writes. After an epoch its rows are written first, then the checkpoint,
    then the ledger, and then the epoch is reported: whatever is killed when, rows appear once, and nothing that was
    reported is lost. Divergence, lack of memory or a mistake of the user ends the trial with a row that says so.

    Args:
        trial: what to run.
        plan: where it comes from; brings the data.
        store: takes rows, checkpoints, ledger entries and the log.
        attempt: counts executions of this trial, from 1.
        device: where the network runs.
        devices: GPUs, or CPU cores without GPUs, that all workers hold together.
        group_id: worker group that runs it.
        report: called with the trial's events, on rank 0.
        verdict: asked after every epoch, on rank 0, whether the trial goes on.
        idle: charges the devices to the study, and pauses while they are held for this trial.

    Returns:
        The row of `trials`; None on ranks other than 0.

    Raises:
        UserError: the results cannot be written; the trial can go on later.
        Exception: any other reason to try again.
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    if rank > 0:
        resume = _last_checkpoint(store, trial)
        for result in _train(trial, plan, device, resume, _start(trial, plan, resume)):
            if isinstance(result, EpochResult) and _agree(Verdict.GO_ON, device, world) is not Verdict.GO_ON:
                break
            if isinstance(result, _Broken) and result.status != "diverged":  # which all ranks see
                # The others wait for this one.
                raise MemoryError(result.error) if result.status == "oom" else RuntimeError(result.error)
        return None

    if attempt > 1:
        store.fetch_log(trial.trial_id)
    with _log_file(store.log_path(trial.trial_id)):
        holding = Holding(
            store,
            attempt_entry(trial.trial_id, attempt),
            kind="attempt",
            devices=devices,
            group_id=group_id,
            trial_id=trial.trial_id,
            attempt=attempt,
            instead_of=idle,
        )
        try:
            record = Record(trial, attempt, plan, store, holding, devices, device_name(device))
            _log.info("attempt %d on %s of %s, torch %s", attempt, device, socket.gethostname(), torch.__version__)
            resume = _last_checkpoint(store, trial, mend=True)
            if resume is not None:
                record.keep_rows(until=resume["epoch"])
                _log.info("goes on after epoch %d", resume["epoch"])
            report(TrialStarted(trial, attempt))
            row, decision = None, Verdict.GO_ON
            for result in _train(trial, plan, device, resume, _start(trial, plan, resume)):
                if isinstance(result, EpochResult):
                    report(record.epoch(result))
                    decision = Verdict.STOP if result.epoch == trial.until else verdict() if verdict else Verdict.GO_ON
                    if _agree(decision, device, world) is not Verdict.GO_ON:
                        row = record.stop(decision)
                        break
                elif isinstance(result, TrialResult):
                    row = record.complete(result)
                else:
                    row = record.end(result.status, result.error)
            assert row is not None
            store.keep_log(trial.trial_id)
            report(TrialPaused(trial, row) if decision is Verdict.PAUSE else TrialEnded(trial, row))
            return row
        except BaseException as error:
            _log.error("attempt %d broke off", attempt, exc_info=error)
            holding.end("lost")
            if not isinstance(error, UserError):  # results that cannot be written
                store.keep_log(trial.trial_id)
            raise


_MORE_ROOM = {
    True: "lower train.batch_size or data.image_size, or give a trial more of a GPU (execution.gpus_per_worker)",
    False: "lower train.batch_size or data.image_size, or run fewer trials at once (execution.max_concurrent_trials)",
}
"""What to do about too little memory, by whether it is a GPU's."""


@dataclass(frozen=True)
class _Broken:
    """Training ended in a way that trying again would not mend."""

    status: Status
    error: str


def _start(trial: Trial, plan: Plan, resume: dict[str, Any] | None) -> Mapping[str, torch.Tensor] | None:
    """Parameters to start from, unless there is something to go on from.

    Raises:
        UserError: they cannot be read now; another attempt may.
    """
    return None if resume is not None or plan.starts is None else plan.starts.read(trial.seed)


def _train(
    trial: Trial,
    plan: Plan,
    device: torch.device,
    resume: dict[str, Any] | None,
    start: Mapping[str, torch.Tensor] | None,
) -> Iterator[EpochResult | TrialResult | _Broken]:
    try:
        yield from train_trial(
            trial.configuration,
            trial.seed,
            plan.splits,
            cache_dir=plan.cache_dir,
            device=device,
            resume=resume and resume["state"],
            start=start,
        )
    except DivergedError as error:
        yield _Broken("diverged", str(error))
    except (torch.OutOfMemoryError, MemoryError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield _Broken("oom", f"out of memory: {told}; {_MORE_ROOM[device.type == 'cuda']}")
    except UserError as error:
        yield _Broken("failed", str(error))


def _last_checkpoint(store: ResultStore, trial: Trial, *, mend: bool = False) -> dict[str, Any] | None:
    """Epoch and state to go on from, of the trial or else of its parent; None if there is none that can be read."""
    own = _read_checkpoint(store, trial.trial_id, mend=mend)
    if own is not None and trial.until is not None and own["epoch"] >= trial.until:
        own = None  # killed before its row was written: its last epoch is behind it, and must come again to end it
    return own if own is not None or trial.parent is None else _read_checkpoint(store, trial.parent)


def _read_checkpoint(store: ResultStore, trial_id: str, *, mend: bool = False) -> dict[str, Any] | None:
    """Epoch and state of the last checkpoint, or of the one before if that is damaged, whose place it takes to `mend`.

    Else the next one that is written would put the damaged one in the place of the one before.
    """
    for name, otherwise in ((LAST, "goes on from the one before"), (PREVIOUS, "starts from nothing")):
        data = store.read_checkpoint(trial_id, name)
        if data is None:
            return None
        try:
            checkpoint = load_tensors(io.BytesIO(data))
            found = {"epoch": int(checkpoint["epoch"]), "state": checkpoint["state"]}
        except (ValueError, TypeError, KeyError) as error:
            _log.warning("checkpoint %s of %s cannot be read (%s); %s", name, trial_id, error, otherwise)
        else:
            if mend and name == PREVIOUS:
                store.restore_previous(trial_id)
            return found
    return None


def _agree(decision: Verdict, device: torch.device, world: int) -> Verdict:
    """Rank 0's decision, on every rank."""
    if world == 1:
        return decision
    number = torch.tensor([decision.value], dtype=torch.uint8, device=device)
    dist.broadcast(number, src=0)
    return Verdict(int(number.item()))


class _WithoutSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Append what `study` and Python's warnings say meanwhile to a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(_WithoutSecrets("%(asctime)s %(levelname)s %(message)s"))
    logging.captureWarnings(True)
    loggers = [logging.getLogger("study"), logging.getLogger("py.warnings")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        logging.captureWarnings(False)
        handler.close()
