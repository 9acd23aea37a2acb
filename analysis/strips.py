"""The strip of frames of a report: annotations, and what the best and the worst method's trackers make of them."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from analysis.evidence import Group, store_of
from analysis.figures.frames import tracks_strip
from analysis.methods import Method
from analysis.page import Paragraph, Picture, picture
from study.command_line import RESULTS_VARIABLE
from study.results import MODEL

_ACROSS = 20
"""Letters that fit along the side of a row."""

_COLUMNS = ["frame", "id", "x", "y", "width", "height"]


def make_strip(group: Group) -> Picture | Paragraph | None:
    """Track a clip with the trackers whose checkpoints were kept, and draw it.

    `python -m study.run frames` does the tracking, in a process of its own: an analysis needs no network.

    Returns:
        The picture; a line that says why there is none; None if no tracker was kept.
    """
    kept = [(method, trial_id) for method in group.methods if (trial_id := _kept(group, method)) is not None]
    if not kept:
        return None
    kept.sort(key=lambda pair: pair[0].mean("val_mota"), reverse=True)
    shown = {f"best: {_told(kept[0][0])}": kept[0]}
    if len(kept) > 1:
        shown[f"worst: {_told(kept[-1][0])}"] = kept[-1]
    with tempfile.TemporaryDirectory(prefix="study-strip-") as place:
        failed = _track(group, [trial_id for _, trial_id in shown.values()], Path(place))
        if failed:
            return Paragraph(f"No frames are drawn: {failed}", "note")
        pictures = sorted(Path(place).glob("*.png"))
        tracks = {"ground truth": _read(Path(place, "ground_truth.txt"))}
        tracks |= {title: _read(Path(place, f"{name.rpartition('/')[2]}.txt")) for title, (_, name) in shown.items()}
        numbers = [int(path.stem) for path in pictures]
        figure = tracks_strip([np.asarray(Image.open(path).convert("RGB")) for path in pictures], numbers, tracks)
    caption = (
        f"The first clip of the {group.split} split: annotations, and the tracks of the best and the worst method "
        "whose trackers were kept. A colour is an identity: one that changes was lost and found as somebody else."
    )
    return picture("frames", figure, caption)


def _kept(group: Group, method: Method) -> str | None:
    """A trial of the method's chosen configuration whose checkpoint was kept, as STUDY/TRIAL."""
    if not method.complete or method.imported:
        return None
    store = store_of(group.evidence.address, method.study)
    return next(
        (f"{method.study}/{name}" for name in method.judged["trial_id"] if store.has_checkpoint(name, MODEL)), None
    )


def _told(method: Method) -> str:
    return "\n".join([method.title, *textwrap.wrap(method.settings, _ACROSS)])


def _track(group: Group, trial_ids: list[str], out: Path) -> str:
    """Leave frames and tracks in a folder; returns why that failed, or nothing."""
    results = store_of(group.evidence.address, group.methods[0].study).root_address
    command = [sys.executable, "-m", "study.run", "frames", "--out", str(out), "--", *trial_ids]
    environment = os.environ | {RESULTS_VARIABLE: results}  # command lines are seen by all on a machine
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or ["it was ended"])[-1]
    return last.removeprefix("error: ")


def _read(path: Path) -> pd.DataFrame:
    """Boxes of a file of MOTChallenge result lines."""
    if not path.stat().st_size:
        return pd.DataFrame(columns=_COLUMNS)
    return pd.read_csv(path, header=None, usecols=range(6), names=_COLUMNS)
