"""Training pairs: frames of one clip, 1 to `max_frame_gap` apart, in a reproducible order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch

from study.batch import FrameTargets, PairBatch
from study.config import Data
from study.data import transforms
from study.data.cache import FrameCache
from study.data.splits import Clip


@dataclass(frozen=True)
class _Frame:
    """Training boxes of one frame: xyxy in pixels of the network's input, and identities that are unique in a clip."""

    boxes: np.ndarray
    ids: np.ndarray


class Pairs:
    """All pairs of a split. What a pair looks like depends on (seed, epoch, position) alone, never on what was drawn
    before: resuming needs no generator state, and workers divide a batch without changing it.

    Args:
        clips: a split; pairs never cross a clip's borders.
        cache: decoded frames of the clips.
        config: image size, frame gap, visibility and augmentation.
        seed: of order and augmentation.
    """

    def __init__(self, clips: Sequence[Clip], cache: FrameCache, config: Data, seed: int) -> None:
        self.config, self.seed = config, seed
        self.pixels = [cache.frames(clip) for clip in clips]
        self.frames = [_training_frames(clip, config) for clip in clips]
        self.index = [(clip, frame) for clip, frames in enumerate(self.frames) for frame in range(len(frames))]

    def __len__(self) -> int:
        """Number of frames; an epoch pairs each of them once."""
        return len(self.index)

    def order(self, epoch: int) -> np.ndarray:
        """Permutation of the frames in this epoch (1-based)."""
        return _permutation(self.seed, epoch, len(self.index))

    def training_batch(self, epoch: int, positions: Sequence[int], device: torch.device) -> PairBatch:
        """Augmented pairs at these positions of the epoch; positions beyond its end go on in the next order."""
        width, height = self.config.image_size
        pairs, changes = [], []
        for position in positions:
            lap, place = divmod(position, len(self.index))
            random = np.random.default_rng([self.seed, epoch, position, 1])
            clip, frame = self.index[self.order(epoch + 1_000_003 * lap)[place]]
            pairs.append((clip, frame, self._partner(random, clip, frame)))
            changes.append(transforms.draw(random, self.config.augmentation, width, height))
        return self._batch(pairs, changes, device)

    def plain_batch(self, frames: Iterable[int], device: torch.device) -> PairBatch:
        """Pairs of (frame, frame before) as they are; the first frame of a clip is paired with itself."""
        pairs = [(clip, frame, max(0, frame - 1)) for clip, frame in (self.index[i] for i in frames)]
        return self._batch(pairs, [transforms.none(*self.config.image_size)] * len(pairs), device)

    def _partner(self, random: np.random.Generator, clip: int, frame: int) -> int:
        last = len(self.frames[clip]) - 1
        gap = int(random.integers(1, self.config.max_frame_gap + 1))
        if random.random() < 0.5:
            gap = -gap
        if not 0 <= frame + gap <= last:
            gap = -gap
        return min(max(frame + gap, 0), last)

    def _batch(
        self, pairs: list[tuple[int, int, int]], changes: list[transforms.Change], device: torch.device
    ) -> PairBatch:
        stacked = np.stack([np.stack([self.pixels[clip][a], self.pixels[clip][b]]) for clip, a, b in pairs])
        images = torch.from_numpy(stacked).to(device).permute(0, 1, 4, 2, 3)
        images = transforms.apply_to_images(images, changes)
        targets = [
            self._targets([self.frames[pair[0]][pair[side]] for pair in pairs], changes, device) for side in (1, 2)
        ]
        return PairBatch(images[:, 0].contiguous(), images[:, 1].contiguous(), *targets)

    def _targets(self, frames: list[_Frame], changes: list[transforms.Change], device: torch.device) -> FrameTargets:
        count = max(1, *(len(frame.ids) for frame in frames))
        boxes = np.zeros((len(frames), count, 4), dtype=np.float32)
        boxes[:, :, 2:] = 1  # padding has a size, so that its (unused) offsets stay finite
        ids = np.zeros((len(frames), count), dtype=np.int64)
        for row, (frame, change) in enumerate(zip(frames, changes, strict=True)):
            moved, kept = transforms.apply_to_boxes(frame.boxes, change, *self.config.image_size)
            boxes[row, : kept.sum()] = moved[kept]
            ids[row, : kept.sum()] = frame.ids[kept]
        return FrameTargets(torch.from_numpy(boxes).to(device), torch.from_numpy(ids).to(device))


@lru_cache(maxsize=4)  # asked for every pair
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(count)
    order.setflags(write=False)
    return order


def _training_frames(clip: Clip, config: Data) -> list[_Frame]:
    """Boxes to learn from: evaluated objects visible enough."""
    truth = clip.ground_truth
    scale = np.array([new / old for new, old in zip(config.image_size, clip.sequence.image_size, strict=True)] * 2)
    wanted = truth.evaluated & (truth.visibility > config.min_visibility)
    boxes, ids, numbers = truth.boxes_xyxy[wanted] * scale, truth.ids[wanted], truth.frames[wanted]
    ids = ids - ids.min() + 1 if len(ids) else ids  # 0 marks padding
    bounds = np.searchsorted(numbers, np.arange(1, clip.num_frames + 2))
    return [_Frame(boxes[a:b], ids[a:b]) for a, b in pairwise(bounds)]
