"""Pictures that come into the studio from anywhere, brought into one of its frames. Chapter 13."""

from __future__ import annotations

import tempfile
from math import log
from pathlib import Path

import numpy as np

from mjcourse.config import UserError
from mjcourse.data.pictures import MAX_PIXELS
from mjcourse.data.scenes import ASPECTS
from mjcourse.studio.images import open_image

SIDE = max(max(sides) for sides in ASPECTS.values())  # pixels that a frame needs at the most
LONGEST = 4  # times that one side of a picture may be as long as the other: of a longer one, most would be cut off
MAX_BYTES = 40_000_000  # of an uploaded file


def to_frame(picture: np.ndarray | bytes | str | Path) -> np.ndarray:
    """Return a picture in the nearest of the frames `ASPECTS`, (H, W, 3) uint8, cut in the middle where it must be.

    Args:
        picture: (H, W, 3) uint8 of any size, the bytes of a picture file, or its path. Files are read as
            `mjcourse.data.pictures.open_picture` does: set upright, what is transparent laid on white.

    Raises:
        UserError: it is of another kind, cannot be read, is too large, or is longer than `LONGEST` allows.
    """
    from PIL import Image, ImageOps

    if isinstance(picture, bytes | bytearray | memoryview):
        image = _opened(bytes(picture))
    elif isinstance(picture, np.ndarray):
        fits = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
        if not fits or not 0 < picture.size <= 3 * MAX_PIXELS:
            raise UserError(f"a picture must be (H, W, 3) uint8; got {picture.shape} {picture.dtype}.")
        image = Image.fromarray(np.ascontiguousarray(picture))
    else:
        image = open_image(picture, SIDE)
    if max(image.size) > LONGEST * min(image.size):
        size = f"{image.width} x {image.height}"
        raise UserError(f"a side may be {LONGEST} times the other, and this picture has {size}: cut out a part of it.")
    frame = ASPECTS[nearest_aspect(*image.size)]
    return np.array(image if image.size == frame else ImageOps.fit(image, frame, Image.Resampling.LANCZOS))


def nearest_aspect(width: int, height: int) -> str:
    """Return the name in `ASPECTS` of the frame that a picture of so many pixels fits best."""
    return min(ASPECTS, key=lambda name: abs(log(width / height * ASPECTS[name][1] / ASPECTS[name][0])))


def _opened(data: bytes):
    """The picture in the bytes of a file."""
    if len(data) > MAX_BYTES:
        raise UserError(f"the file has {len(data):,} bytes; allowed are {MAX_BYTES:,}: make it smaller.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "upload"
        file.write_bytes(data)
        return open_image(file, SIDE)
