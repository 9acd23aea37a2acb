import numpy as np

from study.boxes import box_iou


def test_golden():
    boxes, others = np.array([[0.0, 0, 2, 2], [4, 4, 4, 9]]), np.array([[1.0, 1, 3, 3], [5, 5, 6, 6], [0, 0, 2, 2]])
    assert box_iou(boxes, others).tolist() == [[1 / 7, 0, 1], [0, 0, 0]]


def test_no_boxes():
    assert box_iou(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)
