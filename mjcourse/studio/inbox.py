"""Pictures that come into the studio from anywhere, made 64 × 64. Chapter 13."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from mjcourse.config import UserError
from mjcourse.data.pictures import MAX_PIXELS
from mjcourse.studio.images import open_image

SIDE = 64  # pixels
MAX_BYTES = 40_000_000  # of an uploaded file


def to_square(picture: np.ndarray | bytes | str | Path) -> np.ndarray:
    """Return a picture as (64, 64, 3) uint8, cut in the middle where it is not square.

    Args:
        picture: (H, W, 3) uint8, the bytes of a picture file, or its path.

    Raises:
        UserError: it is of another kind, cannot be read, or is too large.
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
    return np.array(ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS))


def _opened(data: bytes):
    """The picture in the bytes of a file."""
    if len(data) > MAX_BYTES:
        raise UserError(f"the file has {len(data):,} bytes; allowed are {MAX_BYTES:,}: make it smaller.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "upload"
        file.write_bytes(data)
        return open_image(file, SIDE)
