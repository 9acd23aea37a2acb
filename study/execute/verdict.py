"""What becomes of a trial after an epoch."""

from enum import IntEnum


class Verdict(IntEnum):
    """Whether it goes on.

    STOP: it fell behind, or has come as far as it was to. PAUSE: it fell behind, and may go on later. INTERRUPT: the
    budget does not allow another epoch. FINISH: the user has asked the study to end.
    """

    GO_ON = 0
    STOP = 1
    PAUSE = 2
    INTERRUPT = 3
    FINISH = 4
