"""Sequences in MOTChallenge layout, real or drawn, their splits, and their frames decoded once.

From here: reading and checking (`read_splits`, `read_sequence`), decoded frames (`FrameCache`), statistics of boxes.
The room knows files and NumPy arrays; it imports study.config, study.errors and study.motfile, never torch.
"""

from study.data.cache import FrameCache, default_cache_dir
from study.data.clips import Clip
from study.data.motchallenge import Sequence, read_sequence
from study.data.splits import Splits, read_splits
from study.data.statistics import BoxStatistics, Identities, box_statistics

__all__ = [
    "BoxStatistics",
    "Clip",
    "FrameCache",
    "Identities",
    "Sequence",
    "Splits",
    "box_statistics",
    "default_cache_dir",
    "read_sequence",
    "read_splits",
]
