"""Weightings: from task losses of shape [T] to one total and the effective loss weights.

One file a method. Import `Weighting` (the contract) from here, a method's `Config` from its module.
"""

from study.weighting.base import Place, Weighting

__all__ = ["Place", "Weighting"]
