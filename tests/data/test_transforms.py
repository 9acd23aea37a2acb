import numpy as np
import pytest
import torch

from study.config import Augmentation
from study.data import transforms

WIDTH, HEIGHT = 96, 64


def changes(count=20, **settings):
    random = np.random.default_rng(0)
    return [transforms.draw(random, Augmentation(**settings), WIDTH, HEIGHT) for _ in range(count)]


def views(count=20, **settings):
    random = np.random.default_rng(1)
    return [transforms.draw_view(random, Augmentation(**settings), WIDTH, HEIGHT) for _ in range(count)]


PLAIN = {"brightness": 0, "contrast": 0, "saturation": 0}


@pytest.mark.parametrize("change", [*changes(**PLAIN), *views(**PLAIN)], ids=str)
def test_boxes_move_with_the_pixels(change):
    """A bright rectangle on black must be found where its box went."""
    box = np.array([[30.0, 20, 50, 52]])
    images = torch.zeros(1, 2, 3, HEIGHT, WIDTH, dtype=torch.uint8)
    images[..., 20:52, 30:50] = 255
    moved, kept = transforms.apply_to_boxes(box, change, WIDTH, HEIGHT)
    result = transforms.apply_to_images(images, [change])
    torch.testing.assert_close(result[:, 0], result[:, 1])
    if not kept[0]:
        return
    bright = (result[0, 0, 0] > 0.6).nonzero().float()
    low, high = bright.min(0).values, bright.max(0).values + 1
    seen = np.clip(moved[0], 0, [WIDTH, HEIGHT] * 2)
    np.testing.assert_allclose([low[1], low[0], high[1], high[0]], seen, atol=1.2)


def test_no_change_is_the_identity():
    images = torch.randint(
        0, 255, (2, 2, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    result = transforms.apply_to_images(images, [transforms.none(WIDTH, HEIGHT)] * 2)
    torch.testing.assert_close(result, images.float() / 255, atol=1e-6, rtol=0)
    boxes = np.array([[-5.0, 3, 20, 60]])
    assert transforms.apply_to_boxes(boxes, transforms.none(WIDTH, HEIGHT), WIDTH, HEIGHT)[0].tolist() == boxes.tolist()


def test_a_mirrored_frame_is_its_mirror_image():
    images = torch.rand(1, 1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)).mul(255).to(torch.uint8)
    change = transforms.mirrored(WIDTH, HEIGHT)
    torch.testing.assert_close(transforms.apply_to_images(images, [change]), images.flip(-1).float() / 255)
    assert transforms.apply_to_boxes(np.array([[0.0, 3, 20, 60]]), change, WIDTH, HEIGHT)[0].tolist() == [
        [WIDTH - 20, 3, WIDTH, 60]
    ]


def test_views_are_turned_to_both_sides():
    degrees = [change.degrees for change in views(200)]
    assert min(degrees) < -8
    assert max(degrees) > 8
    assert all(abs(turn) <= transforms.MAX_DEGREES for turn in degrees)


def test_boxes_mostly_outside_the_window_are_no_targets():
    change = transforms.Change((48.0, 0.0, 96.0, 64.0), False, 1, 1, 1)
    boxes = np.array([[20.0, 10, 50, 40], [40, 10, 60, 40], [60, 10, 80, 40]])
    assert transforms.apply_to_boxes(boxes, change, WIDTH, HEIGHT)[1].tolist() == [False, True, True]


def test_photometric_changes_are_what_they_say():
    images = torch.full((1, 2, 3, HEIGHT, WIDTH), 100, dtype=torch.uint8)
    images[:, :, 0] = 160
    brighter = transforms.apply_to_images(images, [transforms.Change((0, 0, WIDTH, HEIGHT), False, 1.2, 1, 1)])
    torch.testing.assert_close(brighter, images.float() * 1.2 / 255)
    grey = transforms.apply_to_images(images, [transforms.Change((0, 0, WIDTH, HEIGHT), False, 1, 1, 0)])
    torch.testing.assert_close(grey, torch.full_like(grey, 120 / 255))


def test_every_kind_of_change_is_drawn_within_its_range():
    drawn = changes(300, min_scale=0.5, max_scale=1.5)
    scales = [(c.window_xyxy[2] - c.window_xyxy[0]) / WIDTH for c in drawn]
    assert 0.5 <= min(scales) < 0.6
    assert 1.4 < max(scales) <= 1.5
    assert 0.4 < np.mean([c.flip for c in drawn]) < 0.6
    assert all(0.8 <= value <= 1.2 for c in drawn for value in (c.brightness, c.contrast, c.saturation))
