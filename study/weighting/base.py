"""The contract of a weighting."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn


class Weighting(nn.Module):
    """Turns the task losses of one step into the total that the network descends, and the loss weights behind it.

    The network takes one ordinary backward of `total`. Losses arrive as global values (the mean over all workers'
    images) whose gradient is the local one, so a weighting that only looks at values gives every worker the same
    loss weights, and data-parallel training stays exact.

    Parameters of a weighting are trained by an optimiser group of their own: own learning rate (`lr`), no weight decay,
    outside the network's gradient clip. Its buffers and parameters are part of the checkpoint.

    Args:
        tasks: names of the T task losses, in the order of the tensors.
    """

    needs_gramian: ClassVar[bool] = False
    """Whether `forward` needs the Gramian of the task gradients."""

    lr: float = 0.0
    """Learning rate of the weighting's parameters; unused without any."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    def forward(self, losses: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weigh the task losses.

        Args:
            losses: unweighted task losses, shape [T], float32, attached to the network's graph.
            gramian: inner products of the task gradients, shape [T, T]; None unless `needs_gramian`.

        Returns:
            The total (scalar, attached) and the effective loss weights d total / d losses (shape [T], detached).
        """
        raise NotImplementedError

    def raw_weights(self) -> Tensor | None:
        """The method's own weights of the last step, shape [T], where they differ from the effective ones."""
        return None

    def after_step(self, reforward: Callable[[], Tensor]) -> None:
        """Look again after the network's step; `reforward()` gives the same batch's losses (shape [T], detached).

        Methods that do not look again leave this as it is, and the forward is never repeated.
        """
