"""The few clips that a probe learns from and scores."""

from collections.abc import Sequence

from study.data import Clip, Splits

_TRAINING_CLIPS = 8
_SCORED_CLIPS, _SCORED_FRAMES = 3, 24
"""Clips to score for every worker, and frames of each."""
_FIRST_FRAMES = 2
"""Scored before, untimed: the first pass of a process takes longer than others."""


def sample(splits: Splits, workers: int) -> Splits:
    """A few clips that lie evenly between the others; what is scored first, untimed, stands for the test split."""
    learned = [clip for clip in splits.train if clip.ground_truth.evaluated.any()]
    scored = tuple(_middle(clip, _SCORED_FRAMES) for clip in _spread(splits.val, _SCORED_CLIPS * workers))
    first = tuple(_middle(clip, _FIRST_FRAMES) for clip in scored)
    return Splits(tuple(_spread(learned, _TRAINING_CLIPS)), scored, first, splits.data_hash, {})


def _spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """So many clips at equal distances, or all."""
    count = min(count, len(clips))
    return [clips[(2 * i + 1) * len(clips) // (2 * count)] for i in range(count)]


def _middle(clip: Clip, frames: int) -> Clip:
    """So many frames from the middle of a clip, or all."""
    frames = min(frames, clip.num_frames)
    first = clip.first + (clip.num_frames - frames) // 2
    return Clip(clip.sequence, first, first + frames - 1)
