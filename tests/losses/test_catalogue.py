"""Every task loss of the catalogue: a golden value, gradients in float64, images without anything to learn from."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torchvision.ops import generalized_box_iou_loss

from study.losses import (
    contrastive,
    cross_correlation,
    giou,
    heatmap,
    identity,
    iou,
    l1,
    logistic,
    nt_xent,
    softmax,
    temporal,
    triplet,
)
from study.losses.base import Shapes

B, FRAMES, N, C, K = 3, 3, 4, 5, 7

CONFIGS = [
    heatmap.Config(),
    l1.Config(name="size", on="size"),
    l1.Config(name="offset", on="offset", beta=0.1),
    l1.Config(),
    iou.Config(),
    giou.Config(),
    logistic.Config(),
    logistic.Config(balance=False),
    softmax.Config(),
    softmax.Config(mining="all"),
    contrastive.Config(),
    triplet.Config(),
    triplet.Config(mining="all"),
    nt_xent.Config(),
    identity.Config(),
    temporal.Config(),
    temporal.Config(of="errors"),
    cross_correlation.Config(),
]
NAMES = [f"{config.kind()}-{i}" for i, config in enumerate(CONFIGS)]
READS = ("heatmap", "size", "offset", "boxes", "cls", "embedding", "embedding_map")


def make(config):
    loss = config.build()
    torch.manual_seed(0)
    loss.shape(Shapes(C, K))
    return loss.double()


def example(seed=0):
    """Predictions and targets of three images: with four objects, with one, with none."""
    draws = torch.Generator().manual_seed(seed)

    def rand(*size):
        return torch.rand(*size, generator=draws, dtype=torch.float64)

    def boxes():
        corner = rand(B, FRAMES, N, 2) * 60
        return torch.cat([corner, corner + 8 + rand(B, FRAMES, N, 2) * 30], dim=-1)

    present = torch.zeros(B, FRAMES, N, dtype=torch.bool)
    present[0], present[1, :, 0] = True, True
    wanted = rand(B, FRAMES, 6, 8) * 0.9
    wanted[0, :, 2, 3] = 1
    wanted[1, :, 4, 4] = 1
    cls = torch.zeros(B, 12, dtype=torch.int64)
    cls[0, :3], cls[1, 5], cls[:, 6] = 1, 1, -1
    predictions = {
        "heatmap": rand(B, FRAMES, 6, 8) * 4 - 2,
        "size": rand(B, FRAMES, N, 2) * 8,
        "offset": rand(B, FRAMES, N, 2),
        "boxes": boxes(),
        "cls": rand(B, 12) * 4 - 2,
        "embedding": F.normalize(rand(B, FRAMES, N, C) - 0.5, dim=-1),
        "embedding_map": F.normalize(rand(B, FRAMES, C, 6, 8) - 0.5, dim=2),
    }
    targets = {
        "heatmap": wanted,
        "size": rand(B, FRAMES, N, 2) * 8,
        "offset": rand(B, FRAMES, N, 2),
        "boxes": boxes(),
        "cls": cls,
        "present": present,
        "cells": torch.tensor([[[[1, 2], [7, 5], [0, 0], [4, 3]]] * FRAMES] * B),
        "ids": torch.tensor([[3, 1, 7, 2], [5, 0, 0, 0], [0, 0, 0, 0]]),
        "image_size": torch.tensor([96.0, 64.0], dtype=torch.float64),
    }
    return predictions, targets


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_gradients_are_those_of_the_loss(config):
    loss, (predictions, targets) = make(config), example()
    (name,) = [name for name in loss.needs if name in READS]
    inputs = predictions[name].clone().requires_grad_()
    assert gradcheck(lambda values: loss({**predictions, name: values}, targets), (inputs,), atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_an_image_is_itself_in_any_batch_and_what_is_absent_counts_nothing(config):
    loss, (predictions, targets) = make(config), example()
    values = loss(predictions, targets)
    assert values.shape == (B,)
    assert values.isfinite().all()
    for image in range(B):
        alone = loss(
            {name: values[image : image + 1] for name, values in predictions.items()},
            {name: v if name == "image_size" else v[image : image + 1] for name, v in targets.items()},
        )
        torch.testing.assert_close(alone[0], values[image])
    other = {**predictions}
    for name in ("size", "offset", "boxes", "embedding"):
        moved = predictions[name] + 0.1
        moved = F.normalize(moved, dim=-1) if name == "embedding" else moved
        other[name] = predictions[name].where(targets["present"][..., None], moved)
    torch.testing.assert_close(loss(other, targets), values)


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_an_image_without_objects_has_a_gradient_of_zero_or_teaches_its_background(config):
    loss, (predictions, targets) = make(config), example()
    (name,) = [name for name in loss.needs if name in READS]
    inputs = predictions[name].clone().requires_grad_()
    value = loss({**predictions, name: inputs}, targets)[2]
    value.backward()
    if name in ("heatmap", "cls"):
        assert value > 0
        assert inputs.grad[2].abs().sum() > 0
    else:
        assert value == 0
        assert inputs.grad.abs().sum() == 0


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_performance_is_between_0_and_1(config):
    loss, (predictions, targets) = make(config), example()
    sums, counts = loss.performance(predictions, targets)
    assert sums.shape == counts.shape
    assert (counts > 0).all()
    assert ((sums >= 0) & (sums <= counts)).all()


def test_heatmap_golden():
    # One centre at p = 0.5: 0.25 log 2; one cell with H = 0.5: 0.5^4 0.25 log 2; one far: 0.25 log 2.
    logits = torch.zeros(1, 1, 1, 3)
    value = heatmap.Config().build()({"heatmap": logits}, {"heatmap": torch.tensor([[[[1.0, 0.5, 0.0]]]])})
    assert value.item() == pytest.approx((0.25 + 0.25 / 16 + 0.25) * math.log(2))


def one_object(found, wanted):
    """Predictions and targets of one box in one image of 100 x 50 pixels."""
    boxes = [torch.tensor([[[box]]], dtype=torch.float64) for box in (found, wanted)]
    present = torch.ones(1, 1, 1, dtype=torch.bool)
    return {"boxes": boxes[0]}, {"boxes": boxes[1], "present": present, "image_size": torch.tensor([100.0, 50.0])}


def test_box_losses_golden():
    found, wanted = [0.0, 0, 10, 10], [5.0, 0, 15, 10]
    assert make(iou.Config())(*one_object(found, wanted)).item() == pytest.approx(1 - 50 / 150)
    away = [20.0, 0, 30, 10]
    assert make(iou.Config())(*one_object(found, away)).item() == 1
    assert make(giou.Config())(*one_object(found, away)).item() == pytest.approx(1 + 100 / 300)
    pair = [torch.tensor([box], dtype=torch.float64) for box in (found, wanted)]
    expected = generalized_box_iou_loss(*pair).item()
    assert make(giou.Config())(*one_object(found, wanted)).item() == pytest.approx(expected)
    assert make(l1.Config())(*one_object(found, wanted)).item() == pytest.approx(0.05 / 4)
    assert make(l1.Config(beta=0.1))(*one_object(found, wanted)).item() == pytest.approx(0.05**2 / 0.2 / 4)
    inverted = [10.0, 10, 0, 0]
    assert make(iou.Config())(*one_object(inverted, wanted)).item() == 1
    assert make(giou.Config())(*one_object(inverted, wanted)).isfinite().all()


def test_logistic_and_softmax_golden():
    logits = torch.tensor([[0.0, math.log(3), -math.log(3), 9.0]])
    targets = {"cls": torch.tensor([[1, 0, 0, -1]])}
    right, wrong = math.log(2), [math.log(4), math.log(4 / 3)]
    assert logistic.Config().build()({"cls": logits}, targets).item() == pytest.approx((right + sum(wrong) / 2) / 2)
    plain = logistic.Config(balance=False).build()({"cls": logits}, targets)
    assert plain.item() == pytest.approx((right + sum(wrong)) / 3)
    assert softmax.Config().build()({"cls": logits}, targets).item() == pytest.approx((right + sum(wrong)) / 3)
    hardest = softmax.Config(background=1).build()({"cls": logits}, targets)
    assert hardest.item() == pytest.approx((right + wrong[0]) / 2)
    every = softmax.Config(mining="all").build()
    assert every({"cls": logits}, targets).item() == pytest.approx((right + 3 * sum(wrong) / 2) / 4)
    nobody = {"cls": torch.tensor([[0, 0, 0, -1]])}
    assert every({"cls": logits}, nobody).item() == pytest.approx((right + sum(wrong)) / 3)


def embedded(*angles):
    """Embeddings at these angles (degrees), a list a frame; None where the object is absent."""
    present = torch.tensor([[[angle is not None for angle in frame] for frame in angles]])
    radians = torch.tensor([[[math.radians(angle or 0) for angle in frame] for frame in angles]], dtype=torch.float64)
    return {"embedding": torch.stack([radians.cos(), radians.sin()], dim=-1)}, {"present": present}


def chord(degrees):
    return 2 * math.sin(math.radians(degrees) / 2)


def test_triplet_golden():
    # Two objects in two views: at 0 and 20 degrees, and at 60 and 90.
    predictions, targets = embedded([0, 60], [20, 90])
    positive = [chord(20), chord(30), chord(20), chord(30)]
    nearest = [chord(60), chord(40), chord(40), chord(70)]
    wanted = [max(p - n + 0.3, 0) for p, n in zip(positive, nearest, strict=True)]
    assert triplet.Config().build()(predictions, targets).item() == pytest.approx(sum(wanted) / 4)
    farther = [chord(90), chord(60), chord(70), chord(90)]
    wanted += [max(p - n + 0.3, 0) for p, n in zip(positive, farther, strict=True)]
    assert triplet.Config(mining="all").build()(predictions, targets).item() == pytest.approx(sum(wanted) / 4)


def test_nt_xent_golden():
    predictions, targets = embedded([0, 60], [20, 90])

    def s(degrees):
        return math.exp(math.cos(math.radians(degrees)) / 0.5)

    each = [(20, 60, 90), (30, 60, 40), (20, 40, 70), (30, 90, 70)]
    wanted = [-math.log(s(p) / (s(p) + s(a) + s(b))) for p, a, b in each]
    found = nt_xent.Config(temperature=0.5).build()(predictions, targets)
    assert found.item() == pytest.approx(sum(wanted) / 4)


def test_contrastive_golden():
    predictions, targets = embedded([0, 60], [20, 90])
    pulls = [chord(20) ** 2 / 2, chord(30) ** 2 / 2] * 2
    pushes = [[60, 90], [60, 40], [40, 70], [90, 70]]
    wanted = [
        pull + sum(max(1 - chord(angle), 0) ** 2 / 2 for angle in angles) / 2
        for pull, angles in zip(pulls, pushes, strict=True)
    ]
    assert contrastive.Config().build()(predictions, targets).item() == pytest.approx(sum(wanted) / 4)


@pytest.mark.parametrize("config", [triplet.Config(), nt_xent.Config(), contrastive.Config()], ids=lambda c: c.name)
def test_one_object_alone_has_nothing_to_be_told_from(config):
    assert config.build()(*embedded([0], [50])).item() == 0
    assert config.build()(*embedded([0, None], [50, None])).item() == 0
    assert config.build()(*embedded([0, 40], [None, None])).item() == 0


def test_embeddings_that_are_equal_have_a_finite_gradient():
    predictions, targets = embedded([0, 0], [0, 0])
    leaf = predictions["embedding"].requires_grad_()
    triplet.Config().build()({"embedding": leaf}, targets).sum().backward()
    assert leaf.grad.isfinite().all()


def test_identity_golden_and_those_of_other_splits():
    loss = make(identity.Config())
    predictions, targets = example()
    scale = math.sqrt(2) * math.log(K - 1)
    logits = loss.classifier(scale * predictions["embedding"][1, :, 0])
    assert loss(predictions, targets)[1].item() == pytest.approx(F.cross_entropy(logits, torch.full((3,), 4)).item())
    targets["ids"] = torch.where(targets["ids"] == 5, K + 3, targets["ids"])
    assert loss(predictions, targets)[1] == 0


def test_steady_motion_costs_nothing_and_a_jump_does():
    def moving(*lefts):
        boxes = torch.tensor([[[[left, 0.0, left + 10, 20]] for left in lefts]], dtype=torch.float64)
        present = torch.ones(1, 3, 1, dtype=torch.bool)
        return boxes, present

    boxes, present = moving(0.0, 5, 10)
    jump, _ = moving(0.0, 5, 16)
    targets = {"boxes": boxes, "present": present}
    assert temporal.Config().build()({"boxes": boxes}, targets).item() == pytest.approx(0, abs=1e-12)
    assert temporal.Config().build()({"boxes": jump}, targets).item() == pytest.approx(6 / 10 / 4)
    targets["boxes"] = jump
    assert temporal.Config(of="errors").build()({"boxes": jump}, targets).item() == pytest.approx(0, abs=1e-12)
    present[0, 2] = False
    assert temporal.Config().build()({"boxes": jump}, targets).item() == 0


def test_cross_correlation_finds_a_target_where_its_features_went():
    loss = cross_correlation.Config(template=1, radius=0.5).build()
    maps = torch.zeros(1, 2, 3, 4, 5)
    maps[:, :, 0] = 1
    maps[0, 0, :, 1, 1] = maps[0, 1, :, 2, 3] = torch.tensor([0.0, 1, 0])
    targets = {"cells": torch.tensor([[[[1, 1]], [[3, 2]]]]), "present": torch.ones(1, 2, 1, dtype=torch.bool)}
    assert [int(value) for value in loss.performance({"embedding_map": maps}, targets)] == [1, 1]
    right, wrong = math.log(1 + math.exp(-5)), math.log(1 + math.exp(-5))
    assert loss({"embedding_map": maps}, targets).item() == pytest.approx((right + wrong) / 2, rel=1e-5)
    targets["cells"][0, 1, 0] = torch.tensor([0, 0])
    assert [int(value) for value in loss.performance({"embedding_map": maps}, targets)] == [0, 1]
    with pytest.raises(ValueError, match="expected an odd number of cells, found 4"):
        cross_correlation.Config(template=4)


def test_all_triplets_of_three_frames_are_those_that_a_plain_loop_finds():
    predictions, targets = example()
    loss = make(triplet.Config(mining="all"))(predictions, targets)
    embeddings, present = predictions["embedding"], targets["present"]
    for image in range(B):
        places = [(f, n) for f in range(FRAMES) for n in range(N) if present[image, f, n]]
        total, anchors = 0.0, 0
        for f, n in places:
            same = [place for place in places if place[1] == n and place != (f, n)]
            others = [place for place in places if place[1] != n]
            anchors += bool(same and others)
            for positive in same:
                for negative in others:
                    near, far = (
                        (embeddings[image, f, n] - embeddings[image][place]).norm() for place in (positive, negative)
                    )
                    total += F.relu(near - far + 0.3).item()
        assert loss[image].item() == pytest.approx(total / max(1, anchors))


@pytest.mark.parametrize("temperature", [1e-3, 1e-2, 0.1, 1.0])
def test_nt_xent_is_finite_at_any_temperature(temperature):
    predictions, targets = example()
    embeddings = predictions["embedding"].float().requires_grad_()
    loss = nt_xent.Config(temperature=temperature).build()({**predictions, "embedding": embeddings}, targets)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert embeddings.grad.isfinite().all()
    assert embeddings.grad[0].abs().sum() > 0


def test_where_nobody_is_known_there_is_nothing_to_judge():
    predictions, targets = example()
    loss = make(identity.Config())
    strangers = {**targets, "ids": torch.full_like(targets["ids"], K + 1)}
    assert loss(predictions, strangers).tolist() == [0, 0, 0]
    loss.eval()
    assert loss(predictions, strangers).isnan().all()
    assert loss(predictions, targets).isnan().tolist() == [False, False, True]
