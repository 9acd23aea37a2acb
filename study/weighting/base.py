"""The contract of a weighting."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

Place = Literal["shared_features", "last_shared_layer", "shared_parameters"]
"""Where task gradients are compared: at the features that every task reads, at the parameters of the layer that makes
them, or at all parameters up to them. Each costs more than the one before."""


class Weighting(nn.Module):
    """Turns the task losses of one step into the total that the network descends, and the loss weights behind it.

    The network takes one backward of `total`: of sum_i w_i L_i with w_i = d total / d L_i, the effective loss weights.
    Losses arrive as global values, the mean over all workers' images, equal to the last bit on every worker; so do the
    Gramian and the performance. A weighting that is deterministic in what it is given and in its state therefore gives
    every worker the same loss weights, and data-parallel training stays exact. Draw random numbers with
    `study.weighting.draws`, never from torch's global generator.

    Parameters of a weighting are trained by an optimiser group of their own: own learning rate (`lr`), no weight decay,
    outside the network's gradient clip. Its buffers and parameters are part of the checkpoint; state of another kind
    goes through `get_extra_state`.

    Args:
        tasks: names of the T task losses, in the order of the tensors.
    """

    needs_gramian: ClassVar[bool] = False
    """Whether `forward` needs the Gramian of the task gradients."""

    needs_performance: ClassVar[bool] = False
    """Whether `observe` is to be called with every step's key performance indicators."""

    gramian_at: Place = "shared_features"
    """Where the task gradients are compared, if `needs_gramian`."""

    lr: float = 0.0
    """Learning rate of the weighting's parameters; unused without any."""

    joint: bool = False
    """Train the weighting's parameters with the network's learning rate and inside its gradient clip."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weigh the task losses.

        Args:
            losses: unweighted task losses, shape [T], float32. A leaf that requires a gradient: what flows back to it
                are the effective loss weights. Nothing leads from here into the network.
            gramian: inner products of the task gradients, shape [T, T]; None unless `needs_gramian`.

        Returns:
            The total (scalar, attached to `losses`) and the effective loss weights d total / d losses (shape [T],
            detached).
        """
        raise NotImplementedError

    def observe(self, performance: Tensor) -> None:
        """Take in how well each task is solved on this step's batch; called before `forward`.

        Args:
            performance: indicators of 0 to 1, shape [T]; NaN for a task that the batch has nothing to judge by.
        """

    def raw_weights(self) -> Tensor | None:
        """The method's own weights of the last step, shape [T], where they differ from the effective ones."""
        return None

    def after_step(self, reforward: Callable[[], Tensor]) -> None:
        """Look again after the network's step; `reforward()` gives the same batch's losses (shape [T], detached).

        Methods that do not look again leave this as it is, and the forward is never repeated.
        """

    def after_epoch(self) -> None:
        """Called when all steps of an epoch are done."""
