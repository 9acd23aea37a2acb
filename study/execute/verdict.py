"""What becomes of a trial after an epoch."""

from enum import IntEnum


class Verdict(IntEnum):
    """`STOP`: it fell behind, or has come as far as it was to; `INTERRUPT`: the budget does not allow another epoch."""

    GO_ON = 0
    STOP = 1
    INTERRUPT = 2
