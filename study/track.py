"""`python -m study.track CHECKPOINT FRAMES_OR_VIDEO -o OUT`: track with a trained tracker.

`python -m study.track DETECTIONS -o OUT` associates detections that lie in files: no network, no images.

OUT/SEQUENCE.txt             MOTChallenge result lines, boxes in pixels of the original frames
OUT/SEQUENCE/000001.jpg ...  with --draw frames
OUT/SEQUENCE.mp4             with --draw video

Frames are read, tracked and drawn one at a time: of those before, only the tracks are kept.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from study.checkpoint import load_model
from study.command_line import CommandParser, exit_code
from study.detections import associate, find_detections
from study.drawing import Painter
from study.errors import UserError
from study.motfile import Tracks, write_tracks
from study.outputs import Output, check_place, scratch_folder, writing
from study.sources import DEFAULT_FRAME_RATE, Source, find_sources
from study.tracker import Tracker
from study.tracker.association import Association
from study.tracking import Session, join_frames

_EXAMPLES = """examples:
  python -m study.track model.pt street.mp4 -o tracked --draw video
  python -m study.track results/hwf_grid/checkpoints/TRIAL/model.pt MOT17/train -o tracked
  python -m study.evaluation MOT17/train tracked
  python -m study.track MOT17/train -o associated --min-score 0.5
"""
_NO_BOXES, _NO_SCORES = np.zeros((0, 4)), np.zeros(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 2 after a mistake of the user, or 130 after Ctrl-C."""
    return exit_code(
        lambda: _run(_parser().parse_args(arguments)),
        "finished sequences are kept, nothing is left of the others",
    )


def track_source(
    source: Source,
    tracker: Tracker,
    image_size: tuple[int, int],
    device: torch.device,
    *,
    show: Callable[[Image.Image], None] | None = None,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> tuple[Tracks, int, float]:
    """Track one sequence, online.

    Args:
        source: its frames.
        tracker: in evaluation mode, on `device`.
        image_size: width, height in pixels of the network's input.
        device: of the network.
        show: takes every frame with its tracks drawn; without it nothing is drawn.
        progress: called after every frame with the number of frames and the seconds so far.

    Returns:
        Tracks in pixels of the original frames, number of frames, and seconds of reading and tracking (not drawing).

    Raises:
        UserError: a frame that cannot be read, or is of another size than the first.
    """
    session, painter = Session(tracker, source.image_size, device), Painter(source.image_size)
    found = []
    seconds, start = 0.0, time.perf_counter()
    for frame in source.frames(image_size):
        result = session.update(frame.resized)
        found.append(replace(result, candidate_boxes_xyxy=_NO_BOXES, candidate_scores=_NO_SCORES))
        seconds += time.perf_counter() - start
        if show:
            show(painter.draw(frame.picture(), result))
        progress(len(found), seconds)
        start = time.perf_counter()
    return join_frames(found), len(found), seconds


def _run(options: argparse.Namespace) -> None:
    if options.input is not None:
        if options.min_score is not None:
            raise UserError(
                "--min-score: only for detections in files; a trained tracker has its own thresholds (association)"
            )
        _track_all(options)
        return
    for name in ("draw", "device"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name}: without a CHECKPOINT there are no frames and no network, only detections")
    _associate_all(options)


def _associate_all(options: argparse.Namespace) -> None:
    """Track by detections in files."""
    lowest = -sys.float_info.max if options.min_score is None else options.min_score
    config = Association.sort(start_score=lowest, keep_score=lowest)
    files = find_detections(options.checkpoint)
    results = [options.out / f"{file.name}.txt" for file in files]
    for file, result in zip(files, results, strict=True):
        check_place(result, file.path, overwrite=options.overwrite)
    with writing(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
    for file, result in zip(files, results, strict=True):
        tracks, count, seconds = associate(file, config)
        write_tracks(result, tracks)
        pace = f"{count / max(seconds, 1e-9):,.0f} frames/s of association"
        print(f"{file.name}: {count} frames, {len(np.unique(tracks.ids))} tracks, {pace}: {result}")


def _track_all(options: argparse.Namespace) -> None:
    device = _device(options.device)
    configuration, tracker = load_model(options.checkpoint)
    tracker = tracker.to(device)
    outputs = [Output(options.out, source, options.draw) for source in find_sources(options.input)]
    for output in outputs:
        output.check(overwrite=options.overwrite)
    summary: list[str] = []
    try:
        with scratch_folder(options.out) as scratch, _progress_bar() as bar:
            for output in outputs:
                task = bar.add_task(output.source.name, total=output.source.num_frames, pace="")

                def progress(count: int, seconds: float, task: TaskID = task) -> None:
                    bar.update(task, completed=count, pace=f"{count / seconds:.1f} frames/s")

                with writing(output.paths[-1]):
                    with output.writer(scratch) as writer:
                        tracks, count, seconds = track_source(
                            output.source,
                            tracker,
                            configuration.data.image_size,
                            device,
                            show=writer.add if writer else None,
                            progress=progress,
                        )
                    write_tracks(output.result, tracks)
                    output.put_drawn(scratch)
                summary.append(_line(output, tracks, count, seconds))
    finally:
        print(*summary, sep="\n", end="\n" if summary else "")


def _line(output: Output, tracks: Tracks, count: int, seconds: float) -> str:
    source = output.source
    pace = f"{count / seconds:.1f} frames/s" + (" without drawing" if output.draw else "")
    places = ", ".join(str(path) for path in output.paths)
    announced = f" (of {source.num_frames} announced)" if source.num_frames not in (None, count) else ""
    return f"{source.name}: {count} frames{announced}, {len(np.unique(tracks.ids))} tracks, {pace}: {places}"


def _device(text: str | None) -> torch.device:
    if text is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(text)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"--device {text}: cannot be used here ({reason}); expected cpu, cuda or cuda:N") from None
    return device


def _progress_bar() -> Progress:
    """On the standard error stream if that is a terminal, and gone in the end."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m study.track",
        description="Track with a trained tracker, online. Writes one MOTChallenge result file a sequence.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="results/STUDY/checkpoints/TRIAL/model.pt; or, alone, detections to associate without a network: a"
        " det.txt, a sequence with det/det.txt, or a folder of such sequences",
    )
    add(
        "input",
        metavar="FRAMES_OR_VIDEO",
        nargs="?",
        type=Path,
        help="a video, a folder of images (numbered from 1 in natural order), a sequence in MOTChallenge layout,"
        " or a folder of sequences",
    )
    add("-o", "--out", metavar="OUT", type=Path, required=True, help="folder of the results; made if need be")
    add(
        "--draw",
        choices=("frames", "video"),
        help="also draw the tracks, as JPEG files or as a video (at the rate of the input, or"
        f" {DEFAULT_FRAME_RATE:g} frames/s where it tells none); small frames are enlarged",
    )
    add("--min-score", type=float, metavar="S", help="leave out detections below it, on whatever scale theirs is")
    add("--device", metavar="cpu|cuda", help="default: cuda if there is a GPU")
    add("--overwrite", action="store_true", help="replace results that OUT already has (default: refuse to)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
