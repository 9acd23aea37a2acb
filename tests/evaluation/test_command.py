import json
import subprocess
import sys

import pytest

from study.evaluation.__main__ import main

NAMES = ["mota", "motp", "idf1", "idp", "idr", "hota", "deta", "assa", "idsw", "fp", "fn", "frag", "mt", "pt", "ml"]


@pytest.fixture
def folders(tmp_path):
    gt_dir, result_dir = tmp_path / "gt", tmp_path / "results"
    result_dir.mkdir()
    for name in ("MOT17-02", "MOT17-04"):
        (gt_dir / name / "gt").mkdir(parents=True)
        rows = [f"{frame},{number},{50 * number},0,30,60,1,1,1\n" for frame in (1, 2, 3) for number in (1, 2)]
        (gt_dir / name / "gt" / "gt.txt").write_text("".join(rows))
        (gt_dir / name / "seqinfo.ini").write_text("[Sequence]\nseqLength=4\n")
        (result_dir / f"{name}.txt").write_text("".join(row for row in rows if row != rows[-1]))
    return gt_dir, result_dir


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_json(folders, capsys):
    code, out, err = run(capsys, *folders, "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert list(rows) == ["MOT17-02", "MOT17-04", "OVERALL"]
    assert all(list(row) == NAMES for row in rows.values())
    assert rows["MOT17-02"]["mota"] == pytest.approx(5 / 6)
    assert (rows["MOT17-02"]["fn"], rows["OVERALL"]["fn"]) == (1, 2)


def test_json_of_empty_results_has_numbers_only(folders, capsys):
    gt_dir, result_dir = folders
    (result_dir / "MOT17-02.txt").write_text("")
    (gt_dir / "MOT17-04" / "gt" / "gt.txt").write_text("")
    code, out, _ = run(capsys, *folders, "--json")
    assert code == 0
    assert all(isinstance(value, int | float) for row in json.loads(out).values() for value in row.values())


def test_table(folders, capsys):
    code, out, err = run(capsys, *folders)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["sequence", *NAMES]
    assert [line.split()[0] for line in lines[1:]] == ["MOT17-02", "MOT17-04", "OVERALL"]
    assert lines[1].split()[1] == "0.8333"
    assert len({len(line) for line in lines}) == 1


def test_without_seqinfo_any_frame_is_taken(folders, capsys):
    gt_dir, result_dir = folders
    with (result_dir / "MOT17-02.txt").open("a") as file:
        file.write("5,1,0,0,30,60,1\n")
    code, _, err = run(capsys, *folders)
    assert code == 2
    assert "MOT17-02.txt:6: frame is 5" in err
    (gt_dir / "MOT17-02" / "seqinfo.ini").unlink()
    code, out, _ = run(capsys, *folders, "--json")
    assert (code, json.loads(out)["MOT17-02"]["fp"]) == (0, 1)


def test_folders_that_hold_no_sequence_are_passed_over(folders, capsys):
    gt_dir, result_dir = folders
    (gt_dir / "seqmaps").mkdir()
    (gt_dir / "README.txt").write_text("")
    (result_dir / "notes.md").write_text("")
    assert run(capsys, *folders)[0] == 0


def write(path, text):
    return lambda root: (root / path).write_text(text)


SEQINFO = "gt/MOT17-02/seqinfo.ini"
LENGTH_EXPECTED = "seqinfo.ini: expected a section [Sequence] with seqLength"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda root: (root / "gt/MOT17-02/gt/gt.txt").unlink(), "MOT17-02/gt/gt.txt: no such file"),
        (lambda root: (root / "results/MOT17-04.txt").unlink(), "MOT17-04.txt: no such file; expected one result file"),
        (
            lambda root: [path.unlink() for path in (root / "results").iterdir()],
            "MOT17-02.txt: no such file (and 1 more)",
        ),
        (
            lambda root: (root / "results/MOT17-04.txt").rename(root / "results/MOT17-4.txt"),
            "MOT17-4.txt: there is no sequence 'MOT17-4'; did you mean 'MOT17-04'?",
        ),
        (write("results/MOT17-04.txt", "1,1,0,0,9,9,1\n" * 2), "MOT17-04.txt:2: a second box of id 1 in frame 1"),
        (write(SEQINFO, "[Sequence]\nseqLength=many\n"), LENGTH_EXPECTED),
        (write(SEQINFO, "[Sequence]\nseqLength=0\n"), LENGTH_EXPECTED),
        (write(SEQINFO, "[Sequence]\n"), LENGTH_EXPECTED),
        (write(SEQINFO, "seqLength=4\n"), LENGTH_EXPECTED),
    ],
)
def test_mistakes_are_one_line(folders, capsys, tmp_path, change, told):
    change(tmp_path)
    code, out, err = run(capsys, *folders)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_missing_and_empty_folders(folders, capsys, tmp_path):
    gt_dir, result_dir = folders
    (tmp_path / "empty").mkdir()
    for arguments, told in (
        ((tmp_path / "absent", result_dir), "absent: no such folder"),
        ((gt_dir, tmp_path / "absent"), "absent: no such folder"),
        ((tmp_path / "empty", result_dir), "empty: no sequences found"),
        ((result_dir / "MOT17-02.txt", result_dir), "cannot be read as a folder"),
        ((gt_dir,), "required: RESULT_DIR; see 'python -m study.evaluation --help'"),
        ((gt_dir, result_dir, "--jsn"), "unrecognized arguments: --jsn; see"),
    ):
        code, _, err = run(capsys, *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("error: ")
        assert told in err


def test_as_a_program_without_torch(folders):
    python = [sys.executable, "-W", "error", "-X", "importtime"]
    command = ["-m", "study.evaluation", *map(str, folders), "--json"]
    done = subprocess.run(python + command, capture_output=True, text=True, check=True)
    assert list(json.loads(done.stdout)) == ["MOT17-02", "MOT17-04", "OVERALL"]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "motmetrics" in imported
    assert not imported & {"torch", "ray", "matplotlib"}
