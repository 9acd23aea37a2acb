"""What is learnt from: frames of one clip, 1 to `max_frame_gap` apart, or views of one, in a reproducible order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from study.batch import FrameBatch, FrameTargets
from study.config import Data
from study.data import transforms
from study.data.cache import FrameCache
from study.data.splits import Clip
from study.data.statistics import Identities, training_boxes
from study.sampling import Sampling


@dataclass(frozen=True)
class _Frame:
    """Training boxes of one frame: xyxy in pixels of the network's input, and identities that are unique in a clip."""

    boxes: np.ndarray
    ids: np.ndarray

    def without_labels(self) -> "_Frame":
        """The same boxes numbered from left to right: nothing of the identities is left, not even their order."""
        order = np.lexsort(self.boxes.T[::-1])
        return _Frame(self.boxes[order], np.arange(1, len(order) + 1))


@dataclass(frozen=True)
class HostBatch:
    """A batch before it is on the device: pixels as they are stored, and what is to be done to them.

    Attributes:
        pixels: uint8 [B, F, H, W, 3].
        changes: of every place one for all its frames, or one for each view.
        targets: of each of the F frames.
        views: whether the frames are views that share nothing.
    """

    pixels: Tensor
    changes: list[list[transforms.Change]]
    targets: tuple[FrameTargets, ...]
    views: bool

    def pinned(self) -> "HostBatch":
        """The same in page-locked memory, from which a GPU copies while it computes."""
        targets = (FrameTargets(one.boxes_xyxy.pin_memory(), one.ids.pin_memory()) for one in self.targets)
        return HostBatch(self.pixels.pin_memory(), self.changes, tuple(targets), self.views)

    def on(self, device: torch.device) -> FrameBatch:
        """The batch on a device, where its frames are changed."""
        places, count = self.pixels.shape[:2]
        images = self.pixels.to(device, non_blocking=True).permute(0, 1, 4, 2, 3)
        if self.views:  # views share nothing, not even the mean colour
            images = images.flatten(0, 1)[:, None]
        images = transforms.apply_to_images(images, [change for drawn in self.changes for change in drawn])
        images = images.view(places, count, *images.shape[2:])
        targets = (
            FrameTargets(one.boxes_xyxy.to(device, non_blocking=True), one.ids.to(device, non_blocking=True))
            for one in self.targets
        )
        return FrameBatch(images, tuple(targets))


class Samples:
    """What is learnt from: pairs of frames of a split, or more frames in a row, or two views of one frame.

    What a sample looks like depends on (seed, epoch, position) alone, never on what was drawn before: resuming needs no
    generator state, and workers divide a batch without changing it.

    Args:
        clips: a split; samples never cross a clip's borders.
        cache: decoded frames of the clips.
        config: image size, frame gap, visibility and augmentation.
        seed: of order and augmentation.
        identities: numbers of the objects; those of these clips if left out.
        sampling: how many frames, or views.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        cache: FrameCache,
        config: Data,
        seed: int,
        identities: Identities | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        self.config, self.seed, self.sampling = config, seed, sampling or Sampling()
        known = identities or Identities(clips, config.min_visibility)
        self.pixels = [cache.frames(clip) for clip in clips]
        self.frames = [_training_frames(clip, config, known) for clip in clips]
        if self.sampling.views:
            self.frames = [[frame.without_labels() for frame in frames] for frames in self.frames]
        self.index = [(clip, frame) for clip, frames in enumerate(self.frames) for frame in range(len(frames))]

    def __len__(self) -> int:
        """Number of frames; in an epoch each of them comes first once."""
        return len(self.index)

    def order(self, epoch: int) -> np.ndarray:
        """Permutation of the frames in this epoch (1-based)."""
        return _permutation(self.seed, epoch, len(self.index))

    def training_batch(self, epoch: int, positions: Sequence[int]) -> HostBatch:
        """Augmented samples at these positions of the epoch; positions beyond its end go on in the next order."""
        size, augmentation = self.config.image_size, self.config.augmentation
        places, changes = [], []
        for position in positions:
            lap, place = divmod(position, len(self.index))
            random = np.random.default_rng([self.seed, epoch, position, 1])
            clip, frame = self.index[self.order(epoch + 1_000_003 * lap)[place]]
            if self.sampling.views:
                places.append((clip, [frame] * self.sampling.num_frames))
                drawn = [transforms.draw_view(random, augmentation, *size) for _ in range(self.sampling.num_frames)]
            else:
                places.append((clip, self._in_a_row(random, clip, frame)))
                drawn = [transforms.draw(random, augmentation, *size)]
            changes.append(drawn)
        return self._batch(places, changes)

    def plain_batch(self, frames: Iterable[int]) -> HostBatch:
        """Samples of (frame, frame before, ...) as they are; before the first frame of a clip there is that frame.

        Of views the first is the frame as it is, and the others its mirror image.
        """
        size, more = self.config.image_size, self.sampling.num_frames - 1
        places, changes = [], []
        for clip, frame in (self.index[i] for i in frames):
            if self.sampling.views:
                places.append((clip, [frame] * (1 + more)))
                changes.append([transforms.none(*size), *[transforms.mirrored(*size)] * more])
            else:
                places.append((clip, [max(0, frame - back) for back in range(1 + more)]))
                changes.append([transforms.none(*size)])
        return self._batch(places, changes)

    def _in_a_row(self, random: np.random.Generator, clip: int, frame: int) -> list[int]:
        """Frames at equal distances, the first being this one; at the ends of a clip the last one is nearer."""
        last = len(self.frames[clip]) - 1
        gap = int(random.integers(1, self.config.max_frame_gap + 1))
        if random.random() < 0.5:
            gap = -gap
        if not 0 <= frame + gap * (self.sampling.num_frames - 1) <= last:
            gap = -gap
        return [min(max(frame + step * gap, 0), last) for step in range(self.sampling.num_frames)]

    def _batch(self, places: list[tuple[int, list[int]]], changes: list[list[transforms.Change]]) -> HostBatch:
        """Frames of these places, to be changed by one change for all of them, or by one for each."""
        stacked = np.stack([np.stack([self.pixels[clip][frame] for frame in frames]) for clip, frames in places])
        targets = [
            self._targets(
                [self.frames[clip][frames[i]] for clip, frames in places], [drawn[i % len(drawn)] for drawn in changes]
            )
            for i in range(self.sampling.num_frames)
        ]
        return HostBatch(torch.from_numpy(stacked), changes, tuple(targets), self.sampling.views)

    def _targets(self, frames: list[_Frame], changes: list[transforms.Change]) -> FrameTargets:
        count = max(1, *(len(frame.ids) for frame in frames))
        boxes = np.zeros((len(frames), count, 4), dtype=np.float32)
        boxes[:, :, 2:] = 1  # padding has a size, so that its (unused) offsets stay finite
        ids = np.zeros((len(frames), count), dtype=np.int64)
        for row, (frame, change) in enumerate(zip(frames, changes, strict=True)):
            moved, kept = transforms.apply_to_boxes(frame.boxes, change, *self.config.image_size)
            boxes[row, : kept.sum()] = moved[kept]
            ids[row, : kept.sum()] = frame.ids[kept]
        return FrameTargets(torch.from_numpy(boxes), torch.from_numpy(ids))


@lru_cache(maxsize=4)  # asked for every pair
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(count)
    order.setflags(write=False)
    return order


def _training_frames(clip: Clip, config: Data, identities: Identities) -> list[_Frame]:
    """Boxes to learn from, frame by frame."""
    truth = clip.ground_truth
    scale = np.array([new / old for new, old in zip(config.image_size, clip.sequence.image_size, strict=True)] * 2)
    wanted = training_boxes(clip, config.min_visibility)
    boxes, ids, numbers = truth.boxes_xyxy[wanted] * scale, identities.of(clip), truth.frames[wanted]
    bounds = np.searchsorted(numbers, np.arange(1, clip.num_frames + 2))
    return [_Frame(boxes[a:b], ids[a:b]) for a, b in pairwise(bounds)]
