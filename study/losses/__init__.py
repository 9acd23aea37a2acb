"""Task losses: from a tracker's predictions and targets to one loss an image.

One file a task loss. Import `TaskLoss` (the contract) from here, a loss's `Config` from its module, ready-made
objectives from `study.losses.objectives`.
"""

from study.losses.base import TaskLoss

__all__ = ["TaskLoss"]
