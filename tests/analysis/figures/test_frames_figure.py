import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from analysis.figures.frames import tracks_strip

FRAMES = [np.full((60, 80, 3), shade, dtype=np.uint8) for shade in (40, 90, 140)]
COLUMNS = ["frame", "id", "x", "y", "width", "height"]
TRUTH = pd.DataFrame([(n, who, 10 * who + n, 5, 8, 20) for n in (4, 5, 6) for who in (1, 2)], columns=COLUMNS)
SWITCHED = pd.DataFrame([(4, 7, 14, 5, 8, 20), (5, 7, 15, 5, 8, 20), (6, 9, 16, 5, 8, 20)], columns=COLUMNS)


def boxes(axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_row_for_each_title_and_a_column_for_each_frame():
    figure = tracks_strip(FRAMES, [4, 5, 6], {"ground truth": TRUTH, "worst: lwf": SWITCHED})
    panels = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_title() for axes in panels[0]] == ["frame 4", "frame 5", "frame 6"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["ground truth", "worst: lwf"]
    for axes, frame in zip(panels[1], FRAMES, strict=True):
        (picture,) = axes.images
        assert np.array_equal(picture.get_array(), frame)
    assert [axes.get_xlabel() for axes in panels[0]] == ["2 boxes"] * 3
    assert [axes.get_xlabel() for axes in panels[1]] == ["1 box"] * 3


def test_boxes_lie_where_the_table_has_them():
    (axes,) = tracks_strip(FRAMES[:1], [4], {"ground truth": TRUTH}).axes
    assert {box.get_bbox().bounds for box in boxes(axes)} == {(14, 5, 8, 20), (24, 5, 8, 20)}
    assert sorted(texts(axes)) == ["1", "2"]
    assert axes.get_xlim() == (0, 80)
    assert axes.get_ylim() == (60, 0)


def test_an_identity_keeps_its_colour_and_a_switch_changes_it():
    figure = tracks_strip(FRAMES, [4, 5, 6], {"truth": TRUTH, "switched": SWITCHED})
    colours = [[box.get_edgecolor() for box in boxes(axes)] for axes in figure.axes]
    assert colours[0] == colours[1] == colours[2]
    assert len(set(colours[0])) == 2
    (before,), (after,), (switched,) = colours[3:]
    assert before == after
    assert switched != after
    assert [texts(axes) for axes in figure.axes[3:]] == [["7"], ["7"], ["9"]]


def test_identities_beyond_ten_differ_in_dashes():
    crowd = pd.DataFrame([(4, who, 5 * who, 5, 4, 20) for who in range(1, 13)], columns=COLUMNS)
    (axes,) = tracks_strip(FRAMES[:1], [4], {"crowd": crowd}).axes
    looks = {(box.get_edgecolor(), box.get_linestyle()) for box in boxes(axes)}
    assert len(looks) == 12
    assert len({colour for colour, _ in looks}) == 10


def test_what_stands_nearer_is_drawn_over_what_it_hides():
    rows = pd.DataFrame([(4, 1, 5, 5, 8, 50), (4, 2, 7, 5, 8, 20)], columns=COLUMNS)
    (axes,) = tracks_strip(FRAMES[:1], [4], {"truth": rows}).axes
    assert texts(axes) == ["2", "1"]


@pytest.mark.parametrize("nothing", [pd.DataFrame(), pd.DataFrame(columns=COLUMNS), TRUTH[TRUTH["frame"] == 6]])
def test_frames_without_tracks_say_so(nothing):
    figure = tracks_strip(FRAMES[:2], [4, 5], {"silent": nothing})
    assert [axes.get_xlabel() for axes in figure.axes] == ["no tracks", "no tracks"]
    assert [len(axes.images) for axes in figure.axes] == [1, 1]
    assert not any(boxes(axes) for axes in figure.axes)


@pytest.mark.parametrize(("frames", "tracks", "told"), [([], {"truth": TRUTH}, "no frames"), (FRAMES, {}, "no tracks")])
def test_nothing_to_draw_is_said(frames, tracks, told):
    (axes,) = tracks_strip(frames, list(range(len(frames))), tracks).axes
    assert texts(axes) == [told]


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="3 frames have 1 numbers"):
        tracks_strip(FRAMES, [4], {"truth": TRUTH})
    with pytest.raises(ValueError, match="frames of one size expected"):
        tracks_strip([FRAMES[0], FRAMES[1][:30]], [4, 5], {"truth": TRUTH})
