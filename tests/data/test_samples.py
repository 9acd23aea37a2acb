from dataclasses import replace

import numpy as np
import pytest
import torch

from study.config import Augmentation, Data
from study.data import FrameCache, box_statistics, read_splits
from study.data.samples import Samples
from study.data.statistics import Identities
from study.sampling import Sampling

CPU = torch.device("cpu")
DATA = Data(root="synthetic:tiny", image_size=(64, 40))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    cache_dir = tmp_path_factory.mktemp("cache")
    splits = read_splits(DATA, cache_dir)
    cache = FrameCache.open(splits.train, image_size=DATA.image_size, cache_dir=cache_dir)

    def make(seed=0, sampling=None, **settings):
        return Samples(splits.train, cache, DATA.model_copy(update=settings), seed, sampling=sampling)

    return make


def test_an_epoch_pairs_every_frame_once_with_one_of_its_clip_1_to_3_frames_away(pairs):
    some = pairs()
    plain = {frame.tobytes(): (clip, i) for clip, frames in enumerate(some.pixels) for i, frame in enumerate(frames)}
    some = pairs(
        augmentation=Augmentation(crop_probability=0, flip_probability=0, brightness=0, contrast=0, saturation=0)
    )
    seen, gaps = [], []
    for position in range(len(some)):
        batch = some.training_batch(1, [position]).on(CPU)
        places = [
            plain[(images[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy().tobytes()]
            for images in (batch.first_images, batch.second_images)
        ]
        assert places[0][0] == places[1][0]
        seen.append(places[0])
        gaps.append(places[1][1] - places[0][1])
    assert sorted(seen) == sorted(plain.values())
    assert set(gaps) == {-3, -2, -1, 1, 2, 3}


def test_a_batch_is_the_same_whoever_draws_it_and_in_whatever_parts(pairs):
    whole = pairs().training_batch(3, [4, 5, 6, 7]).on(CPU)
    other = pairs()
    other.training_batch(1, [0, 1]).on(CPU)
    for part, rows in (([4, 6], [0, 2]), ([5, 7], [1, 3])):
        batch = other.training_batch(3, part).on(CPU)
        assert torch.equal(batch.first_images, whole.first_images[rows])
        assert torch.equal(batch.second_images, whole.second_images[rows])
        count = batch.first.ids.shape[1]
        assert torch.equal(batch.first.ids, whole.first.ids[rows, :count])


def test_epochs_and_seeds_differ(pairs):
    orders = [pairs(seed).order(epoch).tolist() for seed in (0, 1) for epoch in (1, 2)]
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == list(range(len(order))) for order in orders)


def test_positions_beyond_the_epoch_go_on_in_another_order(pairs):
    some = pairs()
    assert not torch.equal(
        some.training_batch(1, [0]).on(CPU).first_images, some.training_batch(1, [len(some)]).on(CPU).first_images
    )


def test_plain_pairs_are_a_frame_and_the_one_before_it(pairs):
    some = pairs()
    batch = some.plain_batch([0, 1]).on(CPU)
    first = torch.from_numpy(np.array(some.pixels[0][:2])).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(batch.first_images, first)
    torch.testing.assert_close(batch.second_images, first[[0, 0]])


def test_targets_are_visible_evaluated_objects_with_identities_above_zero(pairs):
    everything, clear = pairs(min_visibility=0.0), pairs(min_visibility=0.6)
    count = [sum(len(f.ids) for frames in some.frames for f in frames) for some in (everything, clear)]
    assert count[0] > count[1] > 0
    assert all((frame.ids > 0).all() for frames in everything.frames for frame in frames)


PLAIN = Augmentation(crop_probability=0, flip_probability=0, brightness=0, contrast=0, saturation=0)


def test_three_in_a_row_are_equally_far_apart_within_their_clip(pairs):
    some = pairs(sampling=Sampling(num_frames=3), augmentation=PLAIN)
    plain = {frame.tobytes(): (clip, i) for clip, frames in enumerate(some.pixels) for i, frame in enumerate(frames)}
    gaps = []
    for position in range(len(some)):
        batch = some.training_batch(1, [position]).on(CPU)
        assert batch.images.shape[1] == len(batch.targets) == 3
        places = [
            plain[(image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy().tobytes()] for image in batch.images[0]
        ]
        assert len({clip for clip, _ in places}) == 1
        (_, a), (_, b), (_, c) = places
        gaps.append((b - a, c - b))
    equal = [first for first, second in gaps if first == second]
    assert len(equal) > 0.7 * len(gaps)
    assert set(equal) == {-3, -2, -1, 1, 2, 3}
    assert all(first * second >= 0 for first, second in gaps)


def test_views_show_one_frame_twice_and_number_its_objects_alike(pairs):
    some = pairs(sampling=Sampling(views=True))
    labels = pairs()
    batch = some.training_batch(1, range(8)).on(CPU)
    assert not torch.equal(batch.first_images, batch.second_images)
    numbers = {int(number) for frame in batch.targets for number in frame.ids.flatten() if number}
    most = max(len(frame.ids) for frames in some.frames for frame in frames)
    assert numbers <= set(range(1, most + 1))
    assert max(int(ids.max()) for frames in labels.frames for ids in [f.ids for f in frames if len(f.ids)]) > most
    plain = some.plain_batch([3, 5]).on(CPU)
    torch.testing.assert_close(plain.second_images, plain.first_images.flip(-1))
    assert torch.equal(plain.first.ids, plain.second.ids)
    width = DATA.image_size[0]
    mirrored = plain.first.boxes_xyxy[..., [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1]) + torch.tensor(
        [width, 0.0, width, 0]
    )
    there = plain.first.ids > 0
    torch.testing.assert_close(plain.second.boxes_xyxy[there], mirrored[there])


class Relabelled:
    """A clip whose identities are exchanged at random within every frame."""

    def __init__(self, clip):
        self.sequence, self.num_frames, self.clip = clip.sequence, clip.num_frames, clip
        truth, draws = clip.ground_truth, np.random.default_rng(0)
        ids = truth.ids.copy()
        for frame in np.unique(truth.frames):
            ids[truth.frames == frame] = draws.permutation(ids[truth.frames == frame])
        order = np.lexsort((ids, truth.frames))
        columns = ("frames", "boxes_xyxy", "flags", "classes", "visibility")
        moved = {name: getattr(truth, name)[order] for name in columns}
        self.ground_truth = replace(truth, **moved, ids=ids[order])


def test_identity_labels_do_not_reach_what_is_learnt_from_views(tmp_path_factory):
    """With the labels of every frame exchanged, views are the same to the last bit; pairs are not."""
    cache_dir = tmp_path_factory.mktemp("cache")
    splits = read_splits(DATA, cache_dir)
    cache = FrameCache.open(splits.train, image_size=DATA.image_size, cache_dir=cache_dir)

    class SameFrames:
        def frames(self, clip):
            return cache.frames(getattr(clip, "clip", clip))

    def batch(clips, views):
        some = Samples(clips, SameFrames(), DATA, 0, sampling=Sampling(views=views))
        return some.training_batch(1, range(20)).on(CPU)

    exchanged = [Relabelled(clip) for clip in splits.train]
    for views, same in ((True, True), (False, False)):
        one, other = batch(splits.train, views), batch(exchanged, views)
        assert torch.equal(one.images, other.images)
        equal = [
            torch.equal(mine.boxes_xyxy, theirs.boxes_xyxy) and torch.equal(mine.ids, theirs.ids)
            for mine, theirs in zip(one.targets, other.targets, strict=True)
        ]
        assert equal == [same, same]


def test_objects_are_numbered_through_all_clips_those_of_training_first(tmp_path_factory):
    cache_dir = tmp_path_factory.mktemp("cache")
    splits = read_splits(DATA, cache_dir)
    identities = Identities(splits.train, DATA.min_visibility)
    known = len(identities)
    of_train = [identities.of(clip) for clip in splits.train]
    assert set(np.concatenate(of_train)) == set(range(1, known + 1))
    for clip, numbers in zip(splits.train, of_train, strict=True):
        others = [set(n) for other, n in zip(splits.train, of_train, strict=True) if other is not clip]
        assert set(numbers).isdisjoint(set().union(*others))
    assert min(identities.of(splits.val[0])) > known
    assert known == box_statistics(splits.train, DATA.image_size, DATA.min_visibility).num_identities
