import numpy as np
import pytest

from study.errors import UserError
from study.motfile import GroundTruth, Tracks, detect_format, read_ground_truth, read_tracks, write_tracks

GOOD = "1,1,10,20,30,40,1,1,0.5\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "rows.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("name", "columns", "expected"),
    [
        ("MOT17-09", 9, "MOT17"),
        ("MOT16-09", 9, "MOT16"),
        ("MOT20-01", 9, "MOT20"),
        ("my-scene", 9, "MOT17"),
        ("MOT15-01", 9, "MOT15"),
        ("TUD-Campus", 10, "MOT15"),
        ("MOT17-09", 10, "MOT15"),
        ("synthetic", 12, "MOT15"),
    ],
)
def test_format_follows_columns_and_name(name, columns, expected):
    assert detect_format(name, columns) == expected


def test_format_needs_nine_columns():
    with pytest.raises(UserError, match="8 columns"):
        detect_format("MOT17-09", 8)


def test_ground_truth_with_classes(written):
    path = written("2,7,10.5,-20,30,40,0,12,0.25\n2,3,1,2,3,4,1,1,1\n1,7,0,0,5,5,1,1,0\n")
    truth = read_ground_truth(path, sequence="MOT20-02")
    assert (truth.format, truth.num_frames) == ("MOT20", 2)
    assert truth.frames.tolist() == [1, 2, 2]
    assert truth.ids.tolist() == [7, 3, 7]
    assert truth.boxes_xyxy.tolist() == [[0, 0, 5, 5], [1, 2, 4, 6], [10.5, -20, 40.5, 20]]
    assert truth.flags.tolist() == [1, 1, 0]
    assert truth.classes.tolist() == [1, 1, 12]
    assert truth.visibility.tolist() == [0, 1, 0.25]
    assert truth.evaluated.tolist() == [True, True, False]
    assert {truth.frames.dtype, truth.ids.dtype, truth.flags.dtype, truth.classes.dtype} == {np.dtype(np.int64)}
    assert {truth.boxes_xyxy.dtype, truth.visibility.dtype} == {np.dtype(np.float64)}


def test_world_coordinates_of_mot15_are_not_classes(written):
    path = written("1,1,10,20,30,40,1,-3.17,16.34,0.45\n1,2,10,20,30,40,0,2,7,nan\n")
    truth = read_ground_truth(path, sequence="ETH-Bahnhof", num_frames=9)
    assert (truth.format, truth.num_frames) == ("MOT15", 9)
    assert truth.classes.tolist() == [1, 1]
    assert truth.visibility.tolist() == [1, 1]
    assert truth.evaluated.tolist() == [True, False]


def test_format_given_is_not_guessed(written):
    assert read_ground_truth(written(GOOD), sequence="x", format="MOT20").format == "MOT20"
    assert read_ground_truth(written("1,1,10,20,30,40,1\n"), sequence="x", format="MOT15").evaluated.all()


def test_files_without_rows(written):
    for text in ("", "\n  \n"):
        truth = read_ground_truth(written(text), sequence="MOT16-02", num_frames=5)
        assert (len(truth.frames), truth.boxes_xyxy.shape, truth.format, truth.num_frames) == (0, (0, 4), "MOT16", 5)
        assert read_ground_truth(written(text), sequence="MOT16-02").num_frames == 0
        tracks = read_tracks(written(text))
        assert (len(tracks.frames), tracks.boxes_xyxy.shape, len(tracks.scores)) == (0, (0, 4), 0)


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3,4,5,6,0.5\n1,1,3,4,5,6,0.25\n",
        "1,1,3,4,5,6,0.25\r\n1,2,3,4,5,6,0.5\r\n",
        "\n1,1,3,4,5,6,0.25\n   \n\n1,2,3,4,5,6,0.5",
        "1, 1, 3.0, 4, 5, 6, 0.25, -1, -1, -1\n1.0,2,3,4,5,6,.5,anything\n",
        "\ufeff1,1,3,4,5,6,0.25,\n1,2,3,4,5,6,5e-1,\n",
    ],
)
def test_tracks_in_other_spellings(written, text):
    tracks = read_tracks(written(text))
    assert tracks.frames.tolist() == [1, 1]
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.boxes_xyxy.tolist() == [[3, 4, 8, 10]] * 2
    assert tracks.scores.tolist() == [0.25, 0.5]


def test_tracks_without_scores(written):
    assert read_tracks(written("1,0,3,4,5,6\n")).scores.tolist() == [1]


MISTAKES = {
    "1,1,10,20,30,40,1,1": "8 columns, expected at least 9",
    "1,1,10,20,30,4O,1,1,1": "height is '4O', expected a number",
    "1,1,10,,30,40,1,1,1": "y is '', expected a number",
    "one": "1 columns",
    "1,1,nan,20,30,40,1,1,1": "x is nan",
    "1,1,10,inf,30,40,1,1,1": "y is inf",
    "1,1,10,20,1e400,40,1,1,1": "width is inf",
    "1,1,10,20,30,40,1,1,nan": "visibility is nan, expected a finite number",
    "1,1,10,20,0,40,1,1,1": "width is 0, expected pixels above 0",
    "1,1,10,20,30,-4,1,1,1": "height is -4, expected pixels above 0",
    "0,1,10,20,30,40,1,1,1": "frame is 0, expected a whole number from 1",
    "-3,1,10,20,30,40,1,1,1": "frame is -3",
    "51,1,10,20,30,40,1,1,1": "frame is 51, expected a whole number from 1 to 50, the sequence's length",
    "1.5,1,10,20,30,40,1,1,1": "frame is 1.5, expected a whole number",
    "inf,1,10,20,30,40,1,1,1": "frame is inf, expected a whole number",
    "1,1.5,10,20,30,40,1,1,1": "id is 1.5, expected a whole number",
    "1,-1,10,20,30,40,1,1,1": "id is -1, expected a whole number from 0",
    "1,1e300,10,20,30,40,1,1,1": "id is 1e+300, expected a whole number",
    "1,1,10,20,30,40,0.5,1,1": "flag is 0.5, expected a whole number",
    "1,1,10,20,30,40,1,14,1": "class is 14, expected a MOTChallenge class",
    "3,7,10,20,30,40,1,1,1": "a second box of id 7 in frame 3",
}


@pytest.mark.parametrize(("line", "told"), MISTAKES.items())
def test_mistakes_are_named_by_file_and_line(written, line, told):
    path = written(f"3,7,1,2,3,4,1,1,1\n\n2,7,1,2,3,4,1,1,1\n{line}\n4,7,1,2,3,4,1,1,1\n")
    with pytest.raises(UserError) as error:
        read_ground_truth(path, sequence="MOT17-09", num_frames=50)
    assert str(error.value).startswith(f"{path}:4: {told}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line", [line for line, told in MISTAKES.items() if told[:4] not in ("8 co", "visi", "flag", "clas")]
)
def test_mistakes_in_tracks(written, line):
    path = written(f"3,7,1,2,3,4,1\n2,7,1,2,3,4,1\n{line}\n")
    with pytest.raises(UserError) as error:
        read_tracks(path, num_frames=50)
    assert str(error.value).startswith(f"{path}:3: ")


def test_first_of_several_mistakes_is_named(written):
    path = written("1,1,1,2,3,4\n1,1,1,2,3,4\n0,1,1,2,0,4\n")
    with pytest.raises(UserError, match=r"rows\.txt:2: a second box"):
        read_tracks(path)


def test_first_line_too_short_to_tell_the_format(written):
    with pytest.raises(UserError, match=r"rows\.txt:2: 7 columns, expected 9 .* or 10"):
        read_ground_truth(written("\n1,1,10,20,30,40,1\n"), sequence="MOT17-09")


def test_neither_text_nor_a_file(written, tmp_path):
    with pytest.raises(UserError, match=r"rows\.txt:1: "):
        read_tracks(written(bytes(range(128, 256))))
    with pytest.raises(UserError, match=r"absent\.txt: no such file"):
        read_tracks(tmp_path / "absent.txt")
    with pytest.raises(UserError, match="cannot be read"):
        read_ground_truth(tmp_path, sequence="MOT17-09")


def test_restricted_renumbers_from_one(written):
    text = "".join(f"{frame},{frame},{frame},2,3,4,1,1,1\n" for frame in (1, 3, 4, 6, 9))
    truth = read_ground_truth(written(text), sequence="MOT17-09", num_frames=10)
    part = truth.restricted(3, 6)
    assert isinstance(part, GroundTruth)
    assert part.frames.tolist() == [1, 2, 4]
    assert part.ids.tolist() == [3, 4, 6]
    assert part.boxes_xyxy[:, 0].tolist() == [3, 4, 6]
    assert (part.num_frames, part.format) == (4, "MOT17")
    assert len(part.flags) == len(part.classes) == len(part.visibility) == 3
    assert truth.restricted(1, 10).frames.tolist() == truth.frames.tolist()
    assert truth.restricted(10, 10).num_frames == 1
    for first, last in ((0, 3), (4, 3), (3, 11)):
        with pytest.raises(UserError, match=f"frames {first}-{last}: expected .* 1-10"):
            truth.restricted(first, last)


def random_tracks(count):
    rng = np.random.default_rng(0)
    boxes = rng.uniform(-50, 1900, (count, 4)).astype(np.float32).astype(np.float64)
    boxes[:, 2:] = boxes[:, :2] + rng.uniform(0.001, 300, (count, 2)).astype(np.float32)
    frames = np.sort(rng.integers(1, 30, count))
    return Tracks(frames, np.arange(1, count + 1), boxes, rng.random(count, dtype=np.float32).astype(np.float64))


def test_what_is_written_is_read(tmp_path):
    path, tracks = tmp_path / "MOT17-09.txt", random_tracks(500)
    write_tracks(path, tracks)
    again = read_tracks(path)
    assert again.frames.tolist() == tracks.frames.tolist()
    assert again.ids.tolist() == tracks.ids.tolist()
    np.testing.assert_allclose(again.boxes_xyxy, tracks.boxes_xyxy, rtol=0, atol=1e-5)
    assert again.scores.astype(np.float32).tolist() == tracks.scores.tolist()
    assert [line.count(",") for line in path.read_text().splitlines()] == [9] * 500
    assert all(line.endswith(",-1,-1,-1") for line in path.read_text().splitlines())


def test_no_tracks_are_an_empty_file(tmp_path):
    write_tracks(tmp_path / "none.txt", random_tracks(0))
    assert (tmp_path / "none.txt").read_text() == ""
    assert len(read_tracks(tmp_path / "none.txt").frames) == 0


def test_writing_replaces_whole_files_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "MOT17-09.txt"
    write_tracks(path, random_tracks(20))
    write_tracks(path, random_tracks(3))
    assert len(path.read_text().splitlines()) == 3
    assert [each.name for each in tmp_path.iterdir()] == ["MOT17-09.txt"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "taken.txt").mkdir()
    for path in (tmp_path / "taken.txt", tmp_path / "absent" / "MOT17-09.txt"):
        with pytest.raises(UserError, match="cannot be written"):
            write_tracks(path, random_tracks(3))
    assert [each.name for each in tmp_path.iterdir()] == ["taken.txt"]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("MOT17-09", ("MOT17", 525, 26, 5325)),
        ("PETS09-S2L1", ("MOT15", 795, 19, 4476)),
        ("ETH-Bahnhof", ("MOT15", 1000, 171, 5415)),
        ("KITTI-17", ("MOT15", 145, 9, 683)),
        ("TUD-Campus", ("MOT15", 71, 8, 359)),
    ],
)
def test_real_ground_truth(mot_test_data, sequence, expected):
    truth = read_ground_truth(mot_test_data / "mot" / sequence / "gt" / "gt.txt", sequence=sequence)
    identities = len(np.unique(truth.ids[truth.evaluated]))
    assert (truth.format, truth.num_frames, identities, int(truth.evaluated.sum())) == expected
