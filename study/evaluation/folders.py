"""Folders of ground truth and of results: which sequence belongs to which result file."""

from collections.abc import Sequence
from pathlib import Path

from study.errors import UserError, nearest
from study.evaluation.sequence import SequenceCounts, evaluate_sequence
from study.motfile import read_ground_truth, read_length, read_tracks


def evaluate_folders(gt_dir: Path, result_dir: Path) -> dict[str, SequenceCounts]:
    """Compare `RESULT_DIR/<sequence>.txt` with `GT_DIR/<sequence>/gt/gt.txt` for every sequence of `GT_DIR`.

    A seqinfo.ini beside `gt` limits the frames; without it any frame is taken.

    Returns:
        Counts by sequence, in alphabetical order.

    Raises:
        UserError: a missing folder or file, a result file without its sequence, or a wrong line in a file.
    """
    sequences = _find_sequences(gt_dir)
    _check_result_files(result_dir, sequences)
    counts = {}
    for sequence in sequences:
        folder = gt_dir / sequence
        num_frames = read_length(folder / "seqinfo.ini")
        ground_truth = read_ground_truth(folder / "gt" / "gt.txt", sequence=sequence, num_frames=num_frames)
        counts[sequence] = evaluate_sequence(ground_truth, read_tracks(result_dir / f"{sequence}.txt", num_frames))
    return counts


def _find_sequences(gt_dir: Path) -> list[str]:
    """Names of the folders that hold a sequence."""
    folders = sorted(folder for folder in _list(gt_dir) if folder.is_dir())
    sequences = [
        folder for folder in folders if any((folder / part).exists() for part in ("gt", "img1", "seqinfo.ini"))
    ]
    if not sequences:
        raise UserError(f"{gt_dir}: no sequences found; expected {gt_dir}/<sequence>/gt/gt.txt")
    for sequence in sequences:
        if not (sequence / "gt" / "gt.txt").is_file():
            raise UserError(f"{sequence / 'gt' / 'gt.txt'}: no such file; a sequence without ground truth has no score")
    return [sequence.name for sequence in sequences]


def _check_result_files(result_dir: Path, sequences: Sequence[str]) -> None:
    results = {path.stem for path in _list(result_dir) if path.suffix == ".txt"}
    for name in sorted(results.difference(sequences)):
        raise UserError(f"{result_dir / name}.txt: there is no sequence {name!r}; {nearest(name, sequences)}")
    missing = [name for name in sequences if name not in results]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(
            f"{result_dir / missing[0]}.txt: no such file{others}; expected one result file a sequence, an empty one"
            " where nothing was tracked"
        )


def _list(folder: Path) -> list[Path]:
    """What lies in a folder, hidden files aside."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        raise UserError(f"{folder}: no such folder") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read as a folder ({error.strerror})") from None
