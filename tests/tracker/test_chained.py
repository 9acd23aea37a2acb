import numpy as np
import pytest
import torch

from study.batch import FrameBatch, FrameTargets
from study.data import BoxStatistics
from study.errors import UserError
from study.losses.objectives import CLS_REG, CLS_REG_REID
from study.tracker.backbone import ResNetBackbone
from study.tracker.chained import Config

STATISTICS = BoxStatistics(np.array([10.0, 12, 20, 22]), np.array([30.0, 33, 60, 64]), 4)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def batch(size=2, width=96, height=64, boxes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(size, boxes, 2, generator=generator) * torch.tensor([width - 20.0, height - 40.0])
    boxes_xyxy = torch.cat([low, low + torch.tensor([14.0, 36.0])], dim=2)
    ids = torch.arange(1, boxes + 1).expand(size, -1)
    images = torch.rand(2, size, 3, height, width, generator=generator).transpose(0, 1)
    return FrameBatch(images, (FrameTargets(boxes_xyxy, ids), FrameTargets(boxes_xyxy + 3, ids)))


@pytest.mark.parametrize(
    ("config", "objective", "count"),
    [
        (Config.paper(), CLS_REG_REID, 40_378_954),
        (Config.paper(pair_fusion="halves"), CLS_REG_REID, 38_609_482),  # the paper's baseline, 38.62 M
        (Config.paper(pair_fusion="halves", attention=False, towers=("cls", "reg")), CLS_REG, 36_246_857),  # "Ours"
    ],
)
def test_parameter_counts_of_the_paper(config, objective, count):
    with torch.device("meta"):
        assert parameters(config.build(objective, None)) == count


@pytest.mark.parametrize(
    "config",
    [
        Config(width=8, fpn_channels=16, tower_channels=16),
        Config(width=8, fpn_channels=16, tower_channels=16, attention=True, pair_fusion="halves", levels=(2, 3, 4, 5)),
        Config(width=8, fpn_channels=16, tower_channels=16, tower_norm=False, tower_depth=1, levels=(4,)),
        Config(backbone="resnet18", fpn_channels=16, tower_channels=16, levels=(3, 4, 5, 6, 7), anchors="paper"),
    ],
)
def test_every_parameter_learns_from_the_three_losses(config):
    torch.manual_seed(0)
    tracker = config.build(CLS_REG_REID, STATISTICS).train()
    with torch.no_grad():  # the regression starts at zero, which would hide its tower's gradient for one step
        tracker.towers["reg"][-1].weight.normal_(std=0.01)
    output = tracker(batch(width=128, height=128))
    assert list(output.losses) == ["cls", "reg", "reid"]
    assert all(loss.ndim == 0 and loss.isfinite() for loss in output.losses.values())
    for loss in output.losses.values():
        gradients = torch.autograd.grad(loss, output.shared_features, retain_graph=True)
        assert sum(gradient.abs().sum() for gradient in gradients) > 0
    sum(output.losses.values()).backward()
    silent = [name for name, p in tracker.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_an_image_without_boxes_still_teaches_negatives():
    torch.manual_seed(0)
    tracker = Config(width=8, fpn_channels=16, tower_channels=16).build(CLS_REG_REID, STATISTICS)
    full = batch(size=1)
    nothing = FrameTargets(torch.tensor([[[0.0, 0, 1, 1]]]), torch.zeros(1, 1, dtype=torch.int64))
    losses = tracker(FrameBatch(full.images, (nothing, nothing))).losses
    assert losses["cls"] > 0
    assert losses["reid"] > 0
    assert losses["reg"] == 0
    sum(losses.values()).backward()
    assert tracker.towers["cls"][-1].weight.grad.abs().sum() > 0


def test_losses_of_a_batch_are_the_mean_of_its_images():
    torch.manual_seed(0)
    tracker = Config(width=8, fpn_channels=16, tower_channels=16).build(CLS_REG_REID, STATISTICS).eval()
    parts = [batch(size=1, boxes=n, seed=n) for n in (1, 4)]

    def padded(targets):
        missing = 4 - targets.ids.shape[1]
        boxes = torch.cat([targets.boxes_xyxy, torch.ones(1, missing, 4).cumsum(2)], 1)
        return boxes, torch.cat([targets.ids, torch.zeros(1, missing, dtype=torch.int64)], 1)

    first, second = ([padded(getattr(p, side)) for p in parts] for side in ("first", "second"))
    whole = FrameBatch(
        torch.cat([p.images for p in parts]),
        tuple(FrameTargets(*(torch.cat(x) for x in zip(*side, strict=True))) for side in (first, second)),
    )
    with torch.no_grad():
        each = [tracker(p).losses for p in parts]
        together = tracker(whole).losses
    for name, loss in together.items():
        torch.testing.assert_close(loss, (each[0][name] + each[1][name]) / 2)


def test_learns_one_pair_by_heart_and_tracks_it():
    torch.manual_seed(0)
    tracker = Config(width=8, fpn_channels=32, tower_channels=32).build(CLS_REG_REID, STATISTICS)
    pair = batch(size=1, boxes=2, seed=3)
    same = FrameBatch(pair.images[:, [0, 0]], (pair.first, pair.first))
    optimizer = torch.optim.Adam(tracker.parameters(), 3e-3)
    for _ in range(150):
        loss = sum(tracker(same).losses.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    online = tracker.eval().online()
    image = (same.first_images[0] * 255).round().to(torch.uint8)
    frames = [online.update(image) for _ in range(3)]
    assert [frame.ids.tolist() for frame in frames] == [[1, 2]] * 3
    found = frames[-1].boxes_xyxy[np.argsort(frames[-1].boxes_xyxy[:, 0])]
    truth = same.first.boxes_xyxy[0].numpy()
    np.testing.assert_allclose(found, truth[np.argsort(truth[:, 0])], atol=2)


def test_an_untrained_tracker_finds_nothing():
    torch.manual_seed(0)
    online = Config().build(CLS_REG_REID, STATISTICS).eval().online()
    frame = online.update(torch.randint(0, 255, (3, 64, 96), dtype=torch.uint8))
    assert len(frame.ids) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": (3, 5)}, "consecutive levels"),
        ({"levels": (3, 4, 5, 6)}, "or at 7"),
        ({"pretrained": "imagenet"}, "only for resnet18"),
        ({"attention": True, "towers": ("cls", "reg")}, "needs the towers cls, reg and reid"),
        ({"towers": ("reg", "reid")}, "cls and reg are needed"),
        ({"anchors": ((1.0, 2.0),)}, "one shape for each of levels"),
        ({"towers": ("cls", "reg")}, "task loss 'reid' needs the tower 'reid'"),
    ],
)
def test_settings_that_do_not_fit(changes, message):
    with pytest.raises(UserError, match=message):
        Config(**changes).build(CLS_REG_REID, STATISTICS)


def test_pretrained_parameters_from_a_file(tmp_path):
    torch.manual_seed(0)
    import torchvision

    network = torchvision.models.resnet18()
    path = tmp_path / "resnet18.pt"
    torch.save(network.state_dict(), path)
    backbone = ResNetBackbone("resnet18", 5, str(path))
    torch.testing.assert_close(backbone.stem[0].weight, network.conv1.weight)
    network.eval()
    backbone.train()  # normalisation keeps the file's statistics
    images = torch.rand(2, 3, 64, 64)
    x = network.maxpool(network.relu(network.bn1(network.conv1(images))))
    torch.testing.assert_close(backbone(images)[2], network.layer1(x))

    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pt")
    foreign = "not a state dict"
    for name, message in (("missing.pt", "no such file"), ("text.pt", foreign), ("other.pt", foreign)):
        with pytest.raises(UserError, match=message):
            ResNetBackbone("resnet18", 5, str(tmp_path / name))
