import numpy as np
import pytest
from PIL import Image

from study.drawing import Painter, identity_color
from study.tracker import FrameTracks

NOTHING = (np.zeros((0, 4)), np.zeros(0))


def test_boxes_are_drawn_where_they_are_in_the_colour_of_their_identity():
    picture = Image.new("RGB", (800, 600), (90, 90, 90))
    painter = Painter(picture.size)
    tracks = FrameTracks(
        np.array([4, 17]), np.array([[100.0, 200, 180, 400], [500, 100, 560, 260]]), np.ones(2), *NOTHING
    )
    drawn = painter.draw(picture, tracks)
    assert [drawn.getpixel(place) for place in ((100, 300), (180, 300), (140, 400))] == [identity_color(4)] * 3
    assert drawn.getpixel((530, 260)) == identity_color(17)
    assert drawn.getpixel((140, 300)) == (90, 90, 90)
    assert picture.getcolors() == [(800 * 600, (90, 90, 90))]


def test_a_trail_shows_where_a_track_was_and_ends_with_it():
    picture, painter = Image.new("RGB", (800, 600)), Painter((800, 600))
    for step in range(10):
        x = 100.0 + 30 * step
        drawn = painter.draw(
            picture, FrameTracks(np.array([1]), np.array([[x, 50, x + 20, 500]]), np.ones(1), *NOTHING)
        )
    on_the_way = np.asarray(drawn)[490:510, 150:350].max(axis=(0, 2))
    assert (on_the_way > 60).all()
    assert painter.draw(picture, FrameTracks(np.zeros(0, dtype=int), *NOTHING, *NOTHING)).getbbox() is None


@pytest.mark.parametrize("size", [(1, 1), (30, 2000), (192, 112)])
def test_boxes_outside_or_without_area_do_no_harm(size):
    boxes = np.array(
        [[-50.0, -50, -20, -10], [5000, 5000, 5100, 5100], [10, 10, 10, 10], [20, 20, 10, 10], [-9, -9, 5000, 5000]]
    )
    drawn = Painter(size).draw(Image.new("RGB", size), FrameTracks(np.arange(1, 6), boxes, np.ones(5), *NOTHING))
    assert max(drawn.size) >= 640


def test_colours_are_stable_and_neighbours_differ():
    assert identity_color(7) == identity_color(7)
    for identity in range(1, 200):
        others = [np.array(identity_color(identity + k)) for k in (1, 2, 3)]
        assert min(np.abs(other - identity_color(identity)).sum() for other in others) > 90
