"""Parameters of one tracker taken over by another, which is trained on from there."""

from collections.abc import Mapping

from torch import Tensor

from study.errors import UserError
from study.tracker import Tracker

_OF_LOSSES = "losses."


def misfit(tracker: Tracker, state: Mapping[str, Tensor]) -> str | None:
    """Why a tracker cannot start from the parameters of another one; None if it can.

    Parameters of task losses are of no concern: the two may learn from different ones.
    """
    own = {name: value for name, value in tracker.state_dict().items() if not name.startswith(_OF_LOSSES)}
    given = {name: value for name, value in state.items() if not name.startswith(_OF_LOSSES)}
    for name in sorted(own.keys() | given.keys()):
        if name not in given:
            return f"it has no {name}"
        if name not in own:
            return f"its {name} has no place"
        if own[name].shape != given[name].shape:
            return f"its {name} is {list(given[name].shape)}, expected {list(own[name].shape)}"
    return None


def take_over(tracker: Tracker, state: Mapping[str, Tensor]) -> None:
    """Start from the parameters of another tracker that fits; those of task losses count where both have them.

    Raises:
        UserError: the tracker is of another architecture.
    """
    reason = misfit(tracker, state)
    if reason is not None:
        raise UserError(f"the tracker to start from is of another architecture ({reason})")
    own = tracker.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    tracker.load_state_dict(fitting, strict=False)
