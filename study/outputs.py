"""Files that tracking leaves: none appears half-written, and none takes the place of something it should not."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
from PIL import Image

from study.drawing import COMMENT, FrameFolder
from study.errors import UserError
from study.sources import Source
from study.video import VideoWriter

Draw = Literal["frames", "video"]
_FRAME = re.compile(r"[0-9]{6,}\.jpg")


@dataclass(frozen=True)
class Output:
    """Where the results of one sequence go.

    Attributes:
        folder: of the results of all sequences.
        source: the sequence.
        draw: whether frames, a video or nothing is drawn.
    """

    folder: Path
    source: Source
    draw: Draw | None

    @property
    def result(self) -> Path:
        """The MOTChallenge result file."""
        return self.folder / f"{self.source.name}.txt"

    @property
    def drawn(self) -> Path | None:
        """Folder of drawn frames, or drawn video."""
        if self.draw is None:
            return None
        return self.folder / (self.source.name if self.draw == "frames" else f"{self.source.name}.mp4")

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [self.result, *([self.drawn] if self.drawn else [])]

    def check(self, *, overwrite: bool) -> None:
        """Check before anything is tracked that the results can take their places.

        Args:
            overwrite: results of an earlier run may be replaced.

        Raises:
            UserError: something else is there, or results are and `overwrite` is false.
        """
        for path in self.paths:
            check_place(path, self.source.path, overwrite=overwrite)
            if path.is_dir() and not (path == self.drawn and self.draw == "frames" and _holds_drawn_frames(path)):
                raise UserError(f"{path}: a folder that study.track did not draw; choose another folder with -o")

    def writer(self, scratch: Path) -> FrameFolder | VideoWriter | contextlib.nullcontext[None]:
        """A context manager that takes the drawn frames, or None where nothing is drawn; it writes into `scratch`."""
        if self.draw is None:
            return contextlib.nullcontext()
        path = scratch / self.paths[-1].name
        return FrameFolder(path) if self.draw == "frames" else VideoWriter(path, self.source.frame_rate)

    def put_drawn(self, scratch: Path) -> None:
        """Move what the writer wrote to its place."""
        if self.drawn is None:
            return
        if self.drawn.is_dir():
            self.drawn.rename(scratch / f"{self.drawn.name}.before")
        (scratch / self.drawn.name).replace(self.drawn)


def check_place(path: Path, tracked: Path, *, overwrite: bool) -> None:
    """Check that a result can take its place.

    Args:
        path: of the result.
        tracked: what is tracked, which stays.
        overwrite: a result of an earlier run may be replaced.

    Raises:
        UserError: it would take the place of what is tracked, or something is there and `overwrite` is false.
    """
    written, read = Path(os.path.realpath(path)), Path(os.path.realpath(tracked))
    if written == read or written in read.parents:
        raise UserError(f"{path}: the result would replace what is tracked; choose another folder with -o")
    if os.path.lexists(path) and not overwrite:
        raise UserError(f"{path}: exists; choose another folder with -o, or add --overwrite")


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder inside `folder`, which is made if need be; it is gone in the end, however that comes.

    Raises:
        UserError: nothing can be written there.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=folder, prefix=".tracking-")
    with scratch:
        yield Path(scratch.name)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tells what goes wrong while `path` is written.

    Raises:
        UserError: instead of OSError and av.FFmpegError.
    """
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); make room, or choose another folder with -o"
        ) from None


def _holds_drawn_frames(folder: Path) -> bool:
    paths = sorted(folder.iterdir())
    if not all(_FRAME.fullmatch(path.name) for path in paths):
        return False
    for path in paths[:1]:
        with contextlib.suppress(OSError), Image.open(path) as image:
            return image.info.get("comment") == COMMENT
        return False
    return True
