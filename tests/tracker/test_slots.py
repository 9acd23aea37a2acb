import torch

from study.batch import FrameTargets
from study.tracker.slots import align


def frame(*rows):
    """Ids of each image's objects, 0 for padding; a box says whose it is and in which place."""
    ids = torch.tensor(rows)
    places = torch.arange(ids.shape[1]).expand(ids.shape)
    return FrameTargets(torch.stack([ids, places, ids + 1, places + 1], dim=2).float(), ids)


def test_an_identity_has_one_slot_in_all_frames():
    slots = align([frame([5, 3, 0], [0, 0, 0]), frame([3, 8, 5], [7, 0, 0]), frame([8, 0, 0], [0, 0, 0])])
    assert slots.ids.tolist() == [[5, 3, 8], [7, 0, 0]]
    assert slots.present.tolist() == [
        [[True, True, False], [True, True, True], [False, False, True]],
        [[False] * 3, [True, False, False], [False] * 3],
    ]
    assert slots.boxes_xyxy[0, 0].tolist() == [[5, 0, 6, 1], [3, 1, 4, 2], [0, 0, 1, 1]]
    assert slots.boxes_xyxy[0, 1].tolist() == [[5, 2, 6, 3], [3, 0, 4, 1], [8, 1, 9, 2]]
    assert slots.boxes_xyxy[1, 1].tolist() == [[7, 0, 8, 1], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_nobody_is_one_slot_of_padding():
    slots = align([frame([0]), frame([0, 0])])
    assert slots.ids.tolist() == [[0]]
    assert not slots.present.any()
