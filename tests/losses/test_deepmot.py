"""Soft counts against hard ones: Hungarian assignment, MOTA of the evaluator, closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.autograd import gradcheck

from study.boxes import box_iou
from study.data import read_sequence
from study.evaluation import evaluate_sequence, summarize
from study.losses import dmota, dmotp
from study.losses.assignment import GATE, count, distances, sinkhorn, switches
from study.motfile import GroundTruth, Tracks

SIZE = torch.tensor([640.0, 360.0], dtype=torch.float64)


def boxes(count, seed, spread=1.0):
    draws = np.random.default_rng(seed)
    corner = draws.uniform(0, 1, (count, 2)) * [560 * spread, 280 * spread]
    return torch.tensor(np.concatenate([corner, corner + draws.uniform([20, 40], [40, 80], (count, 2))], axis=1))


def everyone(*shape):
    return torch.ones(shape, dtype=torch.bool)


def test_distance_golden():
    one = torch.tensor([[0.0, 0, 10, 10]])
    other = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [100, 0, 110, 10]])
    found = distances(one, other, torch.tensor(100.0))[0].tolist()
    apart = [0, 5, 100]
    overlap = [1, 1 / 3, 0]
    wanted = [(1 - math.exp(-5 * d / 100) + 1 - iou) / 2 for d, iou in zip(apart, overlap, strict=True)]
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_sinkhorn_is_the_gated_hungarian_assignment(seed):
    truth = boxes(8, seed)
    draws = np.random.default_rng(100 + seed)
    tracks = truth[draws.permutation(8)[:6]] + torch.tensor(draws.normal(0, 2, (6, 4)))
    tracks = torch.cat([tracks, boxes(2, 200 + seed)])
    distance = distances(tracks, truth, SIZE.norm())
    soft = sinkhorn(distance, everyone(8), everyone(8))
    rows, columns = linear_sum_assignment(np.minimum(distance.numpy(), GATE))
    hard = np.zeros((8, 8))
    near = distance.numpy()[rows, columns] < GATE
    hard[rows[near], columns[near]] = 1
    np.testing.assert_allclose(soft.numpy(), hard, atol=0.1)  # ghosts may lie near an object


def test_what_is_not_there_takes_no_part():
    truth, tracks = boxes(5, 0), boxes(4, 0)
    rows, columns = torch.tensor([True, True, False, True]), torch.tensor([True, False, True, True, False])
    whole = sinkhorn(distances(tracks, truth, SIZE.norm()), rows, columns)
    part = sinkhorn(distances(tracks[rows], truth[columns], SIZE.norm()), everyone(3), everyone(3))
    torch.testing.assert_close(whole[rows][:, columns], part, atol=1e-6, rtol=0)
    assert whole[~rows].sum() == whole[:, ~columns].sum() == 0
    nobody = torch.zeros(4, dtype=torch.bool)
    assert sinkhorn(distances(tracks, truth, SIZE.norm()), nobody, columns).sum() == 0
    assert sinkhorn(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool), everyone(3)).shape == (0, 3)


def test_soft_counts_teach_pairs_that_are_not_matched_yet_and_do_not_explode_at_the_gate():
    one = everyone(1, 1)
    for distance, least, most in ((0.3, 0.1, 1.0), (0.4, 1.0, 5.0), (0.5, 5.0, 20.0), (0.6, 1.0, 5.0)):
        at = torch.tensor([[[distance]]], requires_grad=True)
        counts = count(sinkhorn(at, one, one), one, one)
        (gradient,) = torch.autograd.grad((counts.misses + counts.false_positives).sum(), at)
        assert least < gradient.item() < most, distance
        softer = torch.autograd.grad(count(sinkhorn(at, one, one, temperature=0.1), one, one).misses.sum(), at)[0]
        assert 0.5 < softer.item() < 2, distance


def test_gradients_of_the_assignment():
    distance = distances(boxes(3, 1), boxes(3, 1) + 6, SIZE.norm())[None].requires_grad_()
    assert gradcheck(lambda d: sinkhorn(d, everyone(1, 3), everyone(1, 3), temperature=0.2, steps=10), (distance,))


def sample(rng, objects=6, frames=5):
    """Tracks of a sample with misses, ghosts and exchanged identities: what losses see, and what the evaluator does."""
    truth = torch.stack([boxes(objects, 7, 0.8) + 4.0 * frame for frame in range(frames)])
    present = torch.tensor(rng.random((frames, objects)) < 0.85)
    rows = 2 * objects
    detections = torch.zeros(frames, rows, 4, dtype=torch.float64)
    detected = torch.zeros(frames, rows, dtype=torch.bool)
    names = np.arange(objects)
    for frame in range(frames):
        if rng.random() < 0.5:
            i, j = rng.choice(objects, 2, replace=False)
            names[[i, j]] = names[[j, i]]
        for n in range(objects):
            if present[frame, n] and rng.random() < 0.85:
                detections[frame, names[n]] = truth[frame, n] + torch.tensor(rng.normal(0, 1, 4))
                detected[frame, names[n]] = True
        for ghost in range(objects, rows):
            if rng.random() < 0.15:
                detections[frame, ghost] = boxes(1, int(rng.integers(1000)))[0] + torch.tensor([700.0, 0, 700, 0])
                detected[frame, ghost] = True
    return truth, present, detections, detected


def rows_of(mask, values):
    """Frames, ids and boxes of what is there, as files have them."""
    frames, ids = np.nonzero(mask.numpy())
    return frames + 1, ids + 1, values.numpy()[frames, ids]


def assert_dmota_is_the_evaluators_mota(truth, present, detections, detected, size):
    """Objects [F, N], tracks [F, K]."""
    frames, ids, gt_boxes = rows_of(present, truth)
    ones = np.ones(len(ids), dtype=np.int64)
    gt = GroundTruth(frames, ids, gt_boxes, ones, ones, ones.astype(float), "MOT15", len(truth))
    frames, ids, found = rows_of(detected, detections)
    figures = summarize(evaluate_sequence(gt, Tracks(frames, ids, found, np.ones(len(ids)))))
    loss = dmota.Config(switch=1.0).build()(
        {"detections": detections[None], "detected": detected[None]},
        {"boxes": truth[None], "present": present[None], "image_size": size},
    )
    assert 1 - loss.item() == pytest.approx(figures["mota"], abs=0.01)
    return figures


@pytest.mark.parametrize("seed", range(20))
def test_dmota_is_the_evaluators_mota_in_the_limit(seed):
    assert_dmota_is_the_evaluators_mota(*sample(np.random.default_rng(seed)), SIZE)


def real_objects(mot_test_data, name):
    """Objects of a real sequence, [F, N, 4] and where they are there, and the size of its images."""
    sequence = read_sequence(mot_test_data / "mot" / name)
    size, gt = torch.tensor(sequence.image_size, dtype=torch.float64), sequence.ground_truth
    known, column = np.unique(gt.ids[gt.evaluated], return_inverse=True)
    truth = torch.zeros(gt.num_frames, len(known), 4, dtype=torch.float64)
    present = torch.zeros(gt.num_frames, len(known), dtype=torch.bool)
    row = gt.frames[gt.evaluated] - 1
    truth[row, column], present[row, column] = torch.tensor(gt.boxes_xyxy[gt.evaluated]), True
    return truth, present, size


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["KITTI-17", "MOT17-09", "PETS09-S2L1", "TUD-Campus"])
def test_dmota_is_the_evaluators_mota_on_real_frames(name, mot_test_data):
    """Objects of twenty frames at a time, and tracks of them with noise, misses, ghosts and exchanged identities.

    Two that overlap keep their tracks: CLEAR lets an object keep its track of the frame before as long as they overlap
    by half, wherever another one would fit better. The soft assignment does not look back.
    """
    truth, present, size = real_objects(mot_test_data, name)
    rng, all_switches, all_ghosts = np.random.default_rng(0), 0, 0
    for first in range(0, len(truth) - 20, max(20, len(truth) // 12)):
        here = present[first : first + 20].any(0)
        boxes_here, there = truth[first : first + 20, here], present[first : first + 20, here]
        objects = boxes_here.shape[1]
        sizes = (boxes_here[..., 2:] - boxes_here[..., :2]).repeat(1, 1, 2)
        seen = boxes_here + 0.02 * sizes * torch.tensor(rng.normal(size=boxes_here.shape))
        detections = torch.zeros(20, 2 * objects, 4, dtype=torch.float64)
        detected = torch.zeros(20, 2 * objects, dtype=torch.bool)
        names = np.arange(objects)
        overlaps = np.max([box_iou(frame, frame) for frame in boxes_here.numpy()], axis=0)
        apart = np.argwhere(overlaps < 0.4)
        for frame in range(20):
            if rng.random() < 0.2 and len(apart):
                i, j = rng.choice(apart)
                names[[i, j]] = names[[j, i]]
            found = there[frame].numpy() & (rng.random(objects) < 0.85)
            detections[frame, names[found]] = seen[frame, found]
            detected[frame, names[found]] = True
            ghosts = objects + np.flatnonzero(rng.random(objects) < 0.1)
            detections[frame, ghosts] = boxes(len(ghosts), int(rng.integers(1000))) + torch.tensor([2000.0, 0, 2000, 0])
            detected[frame, ghosts] = True
        figures = assert_dmota_is_the_evaluators_mota(boxes_here, there, detections, detected, size)
        all_switches, all_ghosts = all_switches + figures["idsw"], all_ghosts + figures["fp"]
    assert all_switches > 10
    assert all_ghosts > 10


def test_the_published_switches_count_every_new_object():
    same = torch.zeros(1, 2, 2, dtype=torch.float64)
    same[0, 0, 0] = 1
    first = count(same, everyone(1, 2), torch.tensor([[True, False]]))
    both = count(torch.eye(2, dtype=torch.float64)[None], everyone(1, 2), everyone(1, 2))
    assert switches([first, both]).item() == pytest.approx(0, abs=1e-6)
    assert switches([first, both], as_published=True).item() == pytest.approx(1, abs=1e-6)
    crossed = count(torch.eye(2, dtype=torch.float64).flip(0)[None], everyone(1, 2), everyone(1, 2))
    assert switches([both, crossed]).item() == pytest.approx(2, abs=1e-6)
    gone = count(torch.zeros(1, 2, 2, dtype=torch.float64), everyone(1, 2), everyone(1, 2))
    assert switches([both, gone, crossed]).item() == pytest.approx(2, abs=1e-6)
    assert switches([both, gone, both]).item() == pytest.approx(0, abs=1e-6)


def test_losses_pull_tracks_to_their_objects():
    truth = boxes(3, 3)[None, None]
    found = (truth + torch.tensor([6.0, 0, 6, 0])).requires_grad_()
    targets = {"boxes": truth, "present": everyone(1, 1, 3), "image_size": SIZE}
    for config in (dmota.Config(), dmotp.Config()):
        loss = config.build()({"detections": found, "detected": everyone(1, 1, 3)}, targets)
        (gradient,) = torch.autograd.grad(loss.sum(), found)
        assert (gradient[..., [0, 2]].sum(-1) > 0).all(), config.name  # against it lies the way back


def test_dmotp_golden():
    truth = torch.tensor([[[[0.0, 0, 10, 10], [300, 0, 310, 10]]]], dtype=torch.float64)
    found = torch.tensor([[[[1.0, 0, 11, 10], [100, 0, 110, 10]]]], dtype=torch.float64)
    targets = {"boxes": truth, "present": everyone(1, 1, 2), "image_size": SIZE}
    wanted = (1 - math.exp(-5 / SIZE.norm().item()) + 1 - 9 / 11) / 2
    loss = dmotp.Config().build()({"detections": found, "detected": everyone(1, 1, 2)}, targets)
    assert loss.item() == pytest.approx(wanted)


@pytest.mark.parametrize("config", [dmota.Config(), dmotp.Config()], ids=lambda c: c.name)
def test_without_objects_or_without_tracks(config):
    truth, nothing = boxes(2, 0)[None, None], torch.zeros(1, 1, 2, dtype=torch.bool)
    targets = {"boxes": truth, "image_size": SIZE}
    found = truth.clone().requires_grad_()
    for detected, present, dmota_loss in ((everyone(1, 1, 2), nothing, 2), (nothing, everyone(1, 1, 2), 1)):
        loss = config.build()({"detections": found, "detected": detected}, {**targets, "present": present})
        assert loss.item() == pytest.approx(dmota_loss if config.name == "dmota" else 0, abs=1e-6)
        loss.sum().backward()
        assert found.grad.isfinite().all()
