import numpy as np
import pytest
import torch

from study.batch import FrameBatch, FrameTargets
from study.config import Objective
from study.data import BoxStatistics
from study.errors import UserError
from study.losses import classification, dmota, giou, heatmap, identity, l1, regression, temporal, triplet
from study.losses.objectives import CENTRES, CLMOT, DEEPMOT, FAIRMOT, SIAMFC
from study.tracker.association import Association
from study.tracker.center import Config

STATISTICS = BoxStatistics(np.array([10.0, 12]), np.array([30.0, 33]), 6)
SMALL = {"width": 8, "channels": 16, "head_channels": 16, "embedding_channels": 8}
STEADY = Objective(name="steady", task_losses=(heatmap.Config(), giou.Config(), temporal.Config()))


def batch(size=2, width=96, height=64, boxes=3, frames=2, seed=0):
    draws = torch.Generator().manual_seed(seed)
    low = torch.rand(size, boxes, 2, generator=draws) * torch.tensor([width - 20.0, height - 40.0])
    boxes_xyxy = torch.cat([low, low + torch.tensor([14.0, 36.0])], dim=2)
    ids = torch.arange(1, boxes + 1).expand(size, -1)
    images = torch.rand(size, frames, 3, height, width, generator=draws)
    return FrameBatch(images, tuple(FrameTargets(boxes_xyxy + 3 * i, ids) for i in range(frames)))


def build(objective=FAIRMOT, **changes):
    torch.manual_seed(0)
    return Config(**(SMALL | changes)).build(objective, STATISTICS)


@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        (FAIRMOT, {}),
        (FAIRMOT, {"top_level": 2}),
        (FAIRMOT, {"backbone": "resnet18"}),
        (FAIRMOT, {"backbone": "resnet18", "top_level": 5}),
        (FAIRMOT, {"projection": (12, 5)}),
        (CLMOT, {"learn_from": "first"}),
        (STEADY, {}),
        (STEADY, {"embedding_channels": 0}),
        (DEEPMOT, {}),
    ],
)
def test_every_parameter_learns(objective, changes):
    tracker = build(objective, **changes)
    output = tracker(batch(frames=max(loss.num_frames for loss in objective.task_losses)))
    assert tuple(output.losses) == objective.tasks
    assert all(loss.shape == () and loss.isfinite() for loss in output.losses.values())
    sum(output.losses.values()).backward()
    silent = [name for name, p in tracker.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
    assert output.shared_features[0].shape[2:] == (16, 24)
    (layer,) = tracker.last_shared_layer()
    assert layer.shape[0] == output.shared_features[0].shape[1]


def test_detection_learns_from_the_first_frame_alone_if_asked():
    tracker = build(CLMOT, learn_from="first")
    some = batch()
    other = FrameBatch(torch.stack([some.images[:, 0], some.images[:, 1] * 0.5], dim=1), some.targets)
    with torch.no_grad():
        one, two = tracker(some).losses, tracker(other).losses
    assert {name for name in one if one[name] != two[name]} == {"triplet"}


def test_frames_without_objects_or_with_one():
    tracker = build()
    full = batch(size=1, boxes=1)
    nothing = FrameTargets(torch.tensor([[[0.0, 0, 1, 1]]]), torch.zeros(1, 1, dtype=torch.int64))
    losses = tracker(FrameBatch(full.images, (nothing, nothing))).losses
    assert losses["heatmap"] > 0
    assert losses["size"] == losses["offset"] == losses["identity"] == 0
    sum(losses.values()).backward()
    alone = build(CLMOT)(full).losses
    assert alone["triplet"] == 0
    assert alone["size"] > 0


def test_losses_of_a_batch_are_the_mean_of_its_images():
    tracker = build().eval()
    whole = batch(size=2)
    with torch.no_grad():
        together = tracker(whole).losses
        each = [
            tracker(
                FrameBatch(
                    whole.images[i : i + 1],
                    tuple(FrameTargets(t.boxes_xyxy[i : i + 1], t.ids[i : i + 1]) for t in whole.targets),
                )
            ).losses
            for i in range(2)
        ]
    for name, loss in together.items():
        torch.testing.assert_close(loss, (each[0][name] + each[1][name]) / 2)


def test_learns_one_pair_by_heart_and_tracks_it():
    tracker = build(association=Association(start_score=0.4), width=16)
    pair = batch(size=1, boxes=2, seed=3)
    same = FrameBatch(pair.images[:, [0, 0]], (pair.first, pair.first))
    optimizer = torch.optim.Adam(tracker.parameters(), 5e-3)
    for _ in range(200):
        losses = tracker(same).losses
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    online = tracker.eval().online()
    image = (same.images[0, 0] * 255).round().to(torch.uint8)
    frames = [online.update(image) for _ in range(3)]
    assert [frame.ids.tolist() for frame in frames] == [[1, 2]] * 3
    found = frames[-1].boxes_xyxy[np.argsort(frames[-1].boxes_xyxy[:, 0])]
    truth = same.first.boxes_xyxy[0].numpy()
    np.testing.assert_allclose(found, truth[np.argsort(truth[:, 0])], atol=2)


EVERYTHING = {"candidate_score": 0.0, "max_candidates": 12, "association": Association(start_score=0.0, keep_score=0.0)}


def test_what_it_finds_and_follows_itself_has_gradients():
    tracker = build(DEEPMOT, **EVERYTHING)
    some = batch()
    with torch.no_grad():
        features = tracker.features(some.images.flatten(0, 1))
        followed = tracker.followed(tracker.predict(features), 2, 2)
    assert followed["detections"].shape[:2] == followed["detected"].shape[:2] == (2, 2)
    assert followed["detected"].any(dim=(1, 2)).all()
    assert (followed["detected"].sum(dim=2) <= 12).all()
    losses = tracker(some).losses
    for name in ("dmota", "dmotp"):
        tracker.zero_grad()
        losses[name].backward(retain_graph=True)
        assert tracker.heads["size"][-1].weight.grad.abs().sum() > 0, name


def test_a_network_that_finds_nothing_yet_has_losses_with_a_gradient_of_zero():
    tracker = build(DEEPMOT, candidate_score=1.0)
    losses = tracker(batch()).losses
    assert losses["dmota"] == 1
    assert losses["dmotp"] == 0
    (losses["dmota"] + losses["dmotp"]).backward()
    assert tracker.heads["size"][-1].weight.grad.abs().sum() == 0


@pytest.mark.parametrize(
    ("objective", "changes", "message"),
    [
        (FAIRMOT, {"embedding_channels": 0}, "task loss 'identity' needs 'embedding'; set tracker.embedding_channels"),
        (FAIRMOT, {"embedding_channels": 0, "projection": (4, 4)}, "tracker.projection: needs an embedding"),
        (STEADY, {"learn_from": "first"}, "task loss 'temporal' needs 'third_frame'; set tracker.learn_from to 'all'"),
        ((classification.Config(), regression.Config()), {}, "task loss 'reg' needs 'reg'; this tracker predicts"),
        ((triplet.Config(), heatmap.Config()), {}, "a centre tracker learns where objects are from"),
        ((giou.Config(), identity.Config()), {}, "its task losses read boxes, embedding"),
        ((heatmap.Config(), l1.Config(on="size")), {}, "and their boxes from 'boxes', or 'size' and 'offset'"),
        (FAIRMOT, {"pretrained": "imagenet"}, "tracker.pretrained: only for resnet18"),
        (SIAMFC, {"projection": (4, 4)}, "tracker.projection: no task loss of objective 'siamfc' reads 'embedding'"),
    ],
)
def test_objectives_that_do_not_fit(objective, changes, message):
    if isinstance(objective, tuple):
        objective = Objective(name="odd", task_losses=objective)
    with pytest.raises(UserError) as caught:
        build(objective, **changes)
    assert message in str(caught.value)


def test_maps_of_a_frame_and_its_mirror_image_make_one():
    tracker = build(FAIRMOT).eval()
    image = batch(frames=1).images[:1, 0].float() / 255
    with torch.inference_mode():
        one, other = (tracker.predict(tracker.features(frame)) for frame in (image, image.flip(-1)))
        both = tracker.predict(tracker.features(torch.cat([image, image.flip(-1)]))).with_mirror_image()
    mean = (one.heatmap.sigmoid() + other.heatmap.flip(-1).sigmoid()) / 2
    torch.testing.assert_close(both.heatmap.sigmoid(), mean)
    torch.testing.assert_close(both.size, (one.size + other.size.flip(-1)) / 2)
    torch.testing.assert_close(both.offset, one.offset)
    torch.testing.assert_close(both.embedding.norm(dim=1), torch.ones(1, *both.embedding.shape[2:]))


def test_tracking_may_look_at_the_mirror_image_too():
    torch.manual_seed(0)
    plain = build(FAIRMOT, candidate_score=0.0).eval()
    mirrored = build(FAIRMOT, candidate_score=0.0, mirror=True).eval()
    mirrored.load_state_dict(plain.state_dict())
    image = (batch(frames=1).images[0, 0] * 255).byte()
    found, again = (tracker.online().update(image) for tracker in (plain, mirrored))
    # What both images say of the frame, they say of its mirror image, mirrored; alone neither need.
    turned = mirrored.online().update(image.flip(-1))
    np.testing.assert_allclose(np.sort(again.candidate_scores), np.sort(turned.candidate_scores), atol=1e-5)
    assert not np.allclose(np.sort(found.candidate_scores)[-3:], np.sort(again.candidate_scores)[-3:], atol=1e-7)


def test_a_mirror_image_lies_upon_the_frame_whatever_its_width():
    """All outputs are constant, but for one column of the image: both maps have it in the same place."""
    tracker = build(FAIRMOT, mirror=True, candidate_score=0.0, max_candidates=500).eval()
    seen = []
    tracker.features = lambda images: seen.append(images) or torch.zeros(len(images), 16, 16, images.shape[-1] // 4)
    tracker.online().update((batch(frames=1, width=98).images[0, 0] * 255).byte())
    frame, mirror = seen[0]
    assert frame.shape[-1] == 100
    torch.testing.assert_close(frame, mirror.flip(-1))


def test_boxes_have_an_extent():
    tracker = build(FAIRMOT, candidate_score=0.0).eval()
    torch.nn.init.constant_(tracker.heads["size"][-1].bias, -5.0)
    found = tracker.online().update((batch(frames=1).images[0, 0] * 255).byte()).candidate_boxes_xyxy
    np.testing.assert_allclose(found[:, 2:] - found[:, :2], 1.0, atol=1e-4)


@pytest.mark.parametrize("objective", [CLMOT, FAIRMOT, DEEPMOT], ids=lambda objective: objective.name)
def test_task_losses_are_exact_under_autocast(objective):
    """Embeddings that are nearly alike, as those of a network that begins: in bfloat16 their cosines are 1."""
    tracker = build(objective)
    torch.nn.init.constant_(tracker.heads["embedding"][-1].bias, 1.0)
    some = batch(boxes=4, frames=max(loss.num_frames for loss in objective.task_losses))
    maps = tracker.predict(tracker.features(some.images.flatten(0, 1)))
    tracker.features = lambda images: images
    tracker.predict = lambda _: maps
    exact = tracker(some).losses
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = tracker(some).losses
    for name, loss in exact.items():
        assert mixed[name].dtype == torch.float32
        assert mixed[name].item() == pytest.approx(loss.item(), rel=1e-5), name


def test_soft_switches_may_be_seen_over_more_frames():
    """An object that is followed under another name from the third frame on switches once, whatever lies between."""
    long = dmota.Config(frames=4)
    assert (long.num_frames, dmota.Config().num_frames) == (4, 2)
    objective = Objective(name="long", task_losses=(*CENTRES, identity.Config(), long))
    output = build(objective, association=Association(start_score=0.0, keep_score=0.0))(batch(frames=4))
    assert output.losses["dmota"].isfinite()
    output.losses["dmota"].backward()
    truth = torch.tensor([[[[10.0, 10, 30, 60]]]]).expand(1, 4, 1, 4)
    tracks = truth.expand(1, 4, 2, 4)
    seen = torch.tensor([[[True, False], [False, False], [False, True], [False, True]]])
    targets = {
        "boxes": truth, "present": torch.ones(1, 4, 1, dtype=torch.bool), "image_size": torch.tensor([96.0, 64])
    }  # fmt: skip
    loss = dmota.Config(frames=4, switch=1.0).build()({"detections": tracks, "detected": seen}, targets)
    assert loss.item() == pytest.approx((1 + 1) / 4, abs=1e-3)  # a miss and a switch
