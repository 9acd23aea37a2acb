"""`python -m study.run frames TRIAL [TRIAL ...] -o DIR`: what trained trackers do on one clip, to look at.

DIR/000001.png ...    some frames of the clip, evenly spaced, in their original size
DIR/ground_truth.txt  its annotations, as MOTChallenge result lines
DIR/TRIAL.txt         the tracks of each trial's tracker, up to the last of these frames
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.command_line import CommandParser
from study.errors import UserError

if TYPE_CHECKING:
    from study.data.clips import Clip
    from study.results import ResultStore

GROUND_TRUTH = "ground_truth.txt"
FRAMES = 5
LAST = 40
"""Frame of the clip after which nothing is tracked."""


def main(arguments: Sequence[str]) -> int:
    """Track the beginning of the first clip of the test split, or of validation where there is none.

    Raises:
        UserError: no such trial, one whose checkpoint was not kept, trials of different data, or data that are not
            there any more.
    """
    options = _parser().parse_args(arguments)
    from study.reproduction import find_trial

    found = []
    for text in options.trials:
        study, _, beginning = text.rpartition("/")
        found.append(find_trial(options.results, beginning, study or options.study))
    stored, row = found[0]
    for _, other in found[1:]:
        if other["data_hash"] != row["data_hash"]:
            raise UserError(f"trials {row['trial_id']} and {other['trial_id']} are of different data")
    clip = _clip(stored, row, options.data)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        _write_frames(clip, options.out)
    except OSError as error:
        raise UserError(f"cannot write to {options.out}: {error.strerror or error}") from None
    for store, one in found:
        _track(store, one, clip, options.out)
    names = ", ".join(one["trial_id"] for _, one in found)
    print(f"{clip.name}, frames 1 to {clip.num_frames}, and tracks of {names}: {options.out}")
    return 0


def _clip(stored: "ResultStore", row: Mapping[str, Any], data: str | None) -> "Clip":
    """The first frames of the split that counts."""
    from study.data import default_cache_dir
    from study.data.clips import Clip
    from study.reproduction import plan_again
    from study.results import ResultStore

    with tempfile.TemporaryDirectory(prefix="study-frames-") as place:
        plan = plan_again(row, stored, ResultStore(place, row["study"]), default_cache_dir(), data)
    clip = (plan.splits.test or plan.splits.val)[0]
    return Clip(clip.sequence, clip.first, min(clip.last, clip.first + LAST - 1))


def _write_frames(clip: "Clip", out: Path) -> None:
    """Write the frames that are shown, and the annotations of all."""
    import numpy as np
    from PIL import Image

    from study.data.images import decode_frame
    from study.data.motchallenge import read_image_file
    from study.motfile import Tracks, write_tracks

    for number in np.unique(np.linspace(1, clip.num_frames, FRAMES).round().astype(int)):
        path = clip.image_paths[number - 1]
        picture = decode_frame(path, read_image_file(path), clip.sequence.image_size)
        Image.fromarray(picture).save(out / f"{number:06}.png")
    truth = clip.ground_truth
    kept = truth.evaluated
    ones = np.ones(int(kept.sum()))
    write_tracks(out / GROUND_TRUTH, Tracks(truth.frames[kept], truth.ids[kept], truth.boxes_xyxy[kept], ones))


def _track(store: "ResultStore", row: Mapping[str, Any], clip: "Clip", out: Path) -> None:
    """Track the clip with a trial's tracker."""
    import torch

    from study.checkpoint import load_model
    from study.data import default_cache_dir
    from study.data.cache import FrameCache
    from study.motfile import write_tracks
    from study.results import MODEL
    from study.tracking import track_frames

    content = store.read_checkpoint(row["trial_id"], MODEL)
    if content is None:
        raise UserError(
            f"trial {row['trial_id']}: its checkpoint was not kept; "
            "'--set execution.keep_checkpoints=all' keeps those of all trials"
        )
    with tempfile.TemporaryDirectory(prefix="study-frames-") as place:
        path = Path(place, f"{MODEL}.pt")
        path.write_bytes(content)
        configuration, tracker = load_model(path)
    cache = FrameCache.open([clip], image_size=configuration.data.image_size, cache_dir=default_cache_dir())
    device = torch.device("cpu")
    with torch.no_grad():
        tracks, _ = track_frames(tracker, cache.frames(clip), clip.sequence.image_size, device)
    write_tracks(out / f"{row['trial_id']}.txt", tracks)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m study.run frames", description="What trained trackers do on one clip.")
    parser.add_argument("trials", metavar="TRIAL", nargs="+", help="first digits of a trial's id, or STUDY/DIGITS")
    parser.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="folder for frames and tracks")
    parser.add_results()
    parser.add_argument("--study", metavar="NAME", help="look in this study only")
    parser.add_argument("--data", metavar="DIR", help="where the data are, if they were moved")
    return parser
