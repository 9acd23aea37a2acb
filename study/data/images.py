"""One image file in, one resized frame out: the only place where training, evaluation and tracking decode pixels."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from study.errors import UserError

RESIZE = "bilinear"  # antialiased: Pillow widens the filter's support by the factor of the reduction
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow's decoders raise


def check_image(path: Path, content: bytes, expected_size: tuple[int, int]) -> None:
    """Check that an image file can be identified and has the size that its sequence declares; decodes no pixel.

    Args:
        path: where the bytes come from, for the error.
        content: bytes of the file.
        expected_size: width, height in pixels.

    Raises:
        UserError: not an image, or an image of another size.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = image.size
    except _UNREADABLE as error:
        raise _unreadable(path, content, error) from None
    if found != expected_size:
        raise UserError(
            f"{path}: the image is {found[0]} x {found[1]} pixels, expected {expected_size[0]} x {expected_size[1]}"
            " (imWidth x imHeight of seqinfo.ini); every image of a sequence must have that size"
        )


def decode_frame(path: Path, content: bytes, image_size: tuple[int, int]) -> np.ndarray:
    """Decode an image file and resize the whole of it.

    Args:
        path: where the bytes come from, for the error.
        content: bytes of the file.
        image_size: width, height in pixels of the result.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        UserError: the file cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return resize_frame(image, image_size)
    except _UNREADABLE as error:
        raise _unreadable(path, content, error) from None


def resize_frame(image: Image.Image, image_size: tuple[int, int]) -> np.ndarray:
    """Map the whole of an image to `image_size`; the aspect may change, so boxes scale by a factor a side.

    A JPEG file that is not decoded yet is decoded at a half, a quarter or an eighth where that leaves at least twice
    `image_size`: three times faster, and the antialiased resize follows as before.

    Args:
        image: any mode; for video, a frame of it.
        image_size: width, height in pixels of the result.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    drafted = image.draft(None, (2 * image_size[0], 2 * image_size[1]))
    box = drafted[1] if drafted else None
    return np.array(image.convert("RGB").resize(image_size, Image.Resampling.BILINEAR, box=box))


def _unreadable(path: Path, content: bytes, error: Exception) -> UserError:
    reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else " ".join(str(error).split())
    return UserError(f"{path}: cannot read the image of {len(content)} bytes: {reason}; replace the file")
