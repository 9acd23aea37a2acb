"""Trackers: network and association; task losses in training, tracks online in inference.

Import the contract (`Tracker`, `OnlineTracker` and what they give) from here, a tracker's `Config` from its module.
"""

from study.tracker.base import FrameTracks, OnlineTracker, Tracker, TrainingOutput

__all__ = ["FrameTracks", "OnlineTracker", "Tracker", "TrainingOutput"]
