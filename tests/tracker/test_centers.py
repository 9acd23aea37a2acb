import pytest
import torch
from torchvision.ops import box_iou

from study.tracker.centers import boxes_at, cells, heatmaps, peaks, radius


def test_cells_and_boxes_are_inverses():
    boxes = torch.tensor([[[3.0, 5, 21, 50], [0, 0, 9, 8]]])
    place, centres = cells(boxes, 4, 20, 30)
    assert place.tolist() == [[[3, 6], [1, 1]]]
    torch.testing.assert_close(boxes_at(place, centres - place, (boxes[..., 2:] - boxes[..., :2]) / 4, 4), boxes)


def test_a_centre_outside_the_map_has_the_nearest_cell():
    place, centres = cells(torch.tensor([[-30.0, 10, 10, 20], [100, 90, 140, 130]]), 4, 20, 30)
    assert place.tolist() == [[0, 3], [29, 19]]
    assert centres.tolist() == [[-2.5, 3.75], [30, 27.5]]


@pytest.mark.parametrize("size", [(4, 9), (10, 30), (25, 8), (40, 40)])
def test_boxes_within_the_radius_overlap_enough(size):
    width, height = size
    reach = radius(torch.tensor([float(width), float(height)]))
    box = torch.tensor([[0.0, 0, width, height]])
    for step in (reach, reach + 1):
        moved = torch.tensor([[step, step, width + step, height + step]])
        shrunk, grown = (box + sign * torch.tensor([[step, step, -step, -step]]) for sign in (1, -1))
        least = min(box_iou(box, other).item() for other in (moved, shrunk, grown))
        assert (least >= 0.7) == (step == reach)


def test_a_heat_map_has_its_peaks_where_the_objects_are():
    boxes = torch.tensor([[[40.0, 20, 80, 120], [60, 20, 100, 120], [0, 0, 8, 8], [200, 0, 300, 90]]])
    present = torch.tensor([[True, True, True, False]])
    (heat,) = heatmaps(boxes, present, 4, 40, 80)
    assert heat[17, 15] == heat[17, 20] == heat[1, 1] == 1
    assert (heat == 1).sum() == 3
    assert (heat >= 0).all()
    reach = int(radius(torch.tensor([10.0, 25.0])))
    assert reach > 0
    spread = (2 * reach + 1) / 6
    assert heat[17, 15 - reach].item() == pytest.approx(torch.tensor(-(reach**2) / (2 * spread**2)).exp().item())
    assert heat[17, 15 - reach - 1] == 0
    assert heat[3, 3] == 0


def test_nothing_is_an_empty_map():
    heat = heatmaps(torch.ones(2, 1, 4), torch.zeros(2, 1, dtype=torch.bool), 4, 5, 6)
    assert heat.shape == (2, 5, 6)
    assert (heat == 0).all()


def test_peaks_are_local_maxima_best_first():
    heat = torch.zeros(6, 8)
    heat[1, 2], heat[1, 3], heat[4, 6] = 0.8, 0.7, 0.9
    place, scores = peaks(heat, 3)
    assert place[:2].tolist() == [[6, 4], [2, 1]]
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.0])
    assert len(peaks(heat, 100)[1]) == 48
