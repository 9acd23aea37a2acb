"""What dispatcher and worker groups tell one another of an attempt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """An attempt that a worker group is to run.

    Attributes:
        trial_id: the trial.
        attempt: of this trial, over all runs of the study, from 1.
        retry: attempts in this run before this one.
        trial: the pickled `study.events.Trial`; the dispatcher leaves it packed, which spares it torch.
        judged: whether every epoch waits for the verdict of an early stopping.
        seconds: how long it should take from where it goes on; None if that is unknown.
    """

    trial_id: str
    attempt: int
    retry: int
    trial: bytes
    judged: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class Fault:
    """Why a group broke off, and one line.

    `lost`, `timeout`, `oom`, or `user`: results that cannot be written or data that are not there, which end the study.
    """

    kind: str
    error: str
