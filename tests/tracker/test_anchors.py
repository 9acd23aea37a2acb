import numpy as np
import pytest
import torch

from study.batch import FrameTargets
from study.data import BoxStatistics
from study.offsets import decode, encode
from study.tracker import anchors

ANCHORS = torch.tensor([[0.0, 0, 10, 30], [40, 0, 50, 30], [80, 0, 90, 30], [82, 0, 92, 30]])


def frame(*objects):
    """Targets of one frame from (id, x) pairs: boxes of the anchors' shape."""
    boxes = torch.tensor([[[x, 0.0, x + 10.0, 30.0] for _, x in objects] or [[0.0, 0, 1, 1]]])
    return FrameTargets(boxes, torch.tensor([[i for i, _ in objects] or [0]]))


def test_decode_inverts_encode():
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(7, 4, 2, generator=generator) * 100
    boxes = torch.cat([low, low + 4 + torch.rand(7, 4, 2, generator=generator) * 60], dim=-1)
    torch.testing.assert_close(decode(encode(boxes, ANCHORS), ANCHORS), boxes, atol=1e-3, rtol=1e-5)


def test_encode_golden():
    # Centre moved by a tenth of the side, sides multiplied by e**0.2: every offset is 1.
    half = torch.tensor([10.0, 30.0]) * np.exp(0.2) / 2
    centre = torch.tensor([5 + 1.0, 15 + 3.0])
    box = torch.cat([centre - half, centre + half])
    torch.testing.assert_close(encode(box, ANCHORS[:1])[0], torch.ones(4))


def test_grid_centres_and_shapes():
    boxes = anchors.grid(torch.tensor([[8.0, 20.0], [16.0, 40.0]]), [8, 16], [(2, 3), (1, 2)])
    assert boxes.shape == (8, 4)
    assert boxes[0].tolist() == [0, -6, 8, 14]
    assert boxes[5].tolist() == [16, 2, 24, 22]
    assert boxes[7].tolist() == [16, -12, 32, 28]


def test_shapes_from_data_are_group_medians():
    heights = np.array([10.0, 20, 30, 100, 200, 300])
    assert anchors.shapes_from_data(BoxStatistics(heights / 2, heights, 1), 2) == [(10, 20), (100, 200)]


def test_paper_shapes():
    width, height = anchors.paper_shapes([3])[0]
    assert height / width == pytest.approx(2.9)
    assert width * height == pytest.approx(38**2)


def test_thresholds_and_forced_best_anchor():
    # IoU with the second anchor: x = 42 -> 8/12 positive; 44 -> 6/14 between; 46 -> 4/16 background, but forced.
    for x, expected in ((42, [0, 1, 0, 0]), (44, [0, 1, 0, 0]), (46, [0, 1, 0, 0])):
        assert anchors.assign(ANCHORS, frame((1, x)), frame())["cls"].tolist() == [expected]
    # x = 77: best is the third (7/13), the fourth overlaps 5/15 -> background; x = 79 -> 9/11 and 7/13, both positive.
    assert anchors.assign(ANCHORS, frame((1, 77)), frame())["cls"].tolist() == [[0, 0, 1, 0]]
    assert anchors.assign(ANCHORS, frame((1, 79)), frame())["cls"].tolist() == [[0, 0, 1, 1]]
    # x = 78: third 8/12 positive; fourth 6/14 is neither.
    assert anchors.assign(ANCHORS, frame((1, 78)), frame())["cls"].tolist() == [[0, 0, 1, -1]]


def test_a_frame_without_boxes_is_all_background():
    targets = anchors.assign(ANCHORS, frame(), frame((1, 0)))
    assert targets["cls"].tolist() == targets["reid"].tolist() == [[0, 0, 0, 0]]
    assert not targets["reg_mask"].any()


def test_id_verification_needs_both_boxes_at_the_anchor_and_one_identity():
    same = anchors.assign(ANCHORS, frame((1, 0), (2, 40)), frame((1, 1), (2, 41)))["reid"]
    assert same.tolist() == [[1, 1, 0, 0]]
    swapped = anchors.assign(ANCHORS, frame((1, 0), (2, 40)), frame((2, 1), (1, 41)))["reid"]
    assert swapped.tolist() == [[0, 0, 0, 0]]
    moved_away = anchors.assign(ANCHORS, frame((1, 0)), frame((1, 40)))["reid"]
    assert moved_away.tolist() == [[0, 0, 0, 0]]


def test_second_box_is_the_identitys_wherever_it_went_and_masked_when_absent():
    targets = anchors.assign(ANCHORS, frame((1, 0), (2, 40)), frame((1, 85)))
    assert targets["reg_mask"][0].sum(1).tolist() == [8, 4, 0, 0]
    decoded = decode(targets["reg"][0, :1, 4:], ANCHORS[:1])
    torch.testing.assert_close(decoded, torch.tensor([[85.0, 0, 95, 30]]))


def test_padding_changes_nothing():
    plain = anchors.assign(ANCHORS, frame((1, 0), (2, 40)), frame((2, 41), (1, 2)))
    padding = FrameTargets(torch.rand(1, 3, 4).sort(dim=2).values * 90, torch.zeros(1, 3, dtype=torch.int64))

    def padded(targets):
        return FrameTargets(
            torch.cat([targets.boxes_xyxy, padding.boxes_xyxy], 1), torch.cat([targets.ids, padding.ids], 1)
        )

    again = anchors.assign(ANCHORS, padded(frame((1, 0), (2, 40))), padded(frame((2, 41), (1, 2))))
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value)
