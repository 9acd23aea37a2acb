"""Video files in and out, frame by frame."""

import contextlib
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from PIL import Image

from study.errors import UserError


def probe(path: Path) -> tuple[tuple[int, int], float, int | None]:
    """Size as shown (width, height in pixels), frames per second and number of frames, None where it is not told.

    Raises:
        UserError: not a video, or its first frame cannot be decoded.
    """
    frames = read_video(path)
    try:
        size = next(frames).size
    finally:
        frames.close()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return size, float(stream.average_rate or 25), stream.frames or None


def read_video(path: Path) -> Generator[Image.Image]:
    """Frames of the first video stream, RGB, turned as the file says they are to be shown.

    Raises:
        UserError: not a video, no video stream in it, or a frame that cannot be decoded, with its number.
    """
    number = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path}: no video stream in this file")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                number += 1
                image = frame.to_image()
                yield image.rotate(frame.rotation, expand=True) if frame.rotation % 360 else image
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        if number == 0:
            raise UserError(f"{path}: cannot be read as a video ({reason})") from None
        raise UserError(f"{path}: cannot decode frame {number + 1} of the video ({reason}); repair the file") from None
    if number == 0:
        raise UserError(f"{path}: a video without frames")


class VideoWriter:
    """An H.264 file in MP4, which every player takes. A context manager; the file is whole once it ends.

    Whatever fails raises OSError or av.FFmpegError.

    Args:
        path: ends in .mp4.
        frame_rate: frames per second.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        self.path = path
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._container = av.open(str(path), "w")
        self._stream: av.VideoStream | None = None

    def add(self, picture: Image.Image) -> None:
        """Append a frame; all have the size of the first."""
        # The format stores colour for blocks of 2 x 2 pixels: an odd side gets a black line.
        width, height = (side + side % 2 for side in picture.size)
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"crf": "20", "preset": "veryfast"}
        if picture.size != (width, height):
            picture = picture.crop((0, 0, width, height))
        self._container.mux(self._stream.encode(av.VideoFrame.from_image(picture)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._stream is not None:
            self._container.mux(self._stream.encode())
        with contextlib.suppress(*(() if kind is None else (av.FFmpegError, OSError))):
            self._container.close()
