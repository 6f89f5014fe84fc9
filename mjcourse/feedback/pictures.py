"""A picture as the ratings' file keeps it: known by its pixels, stored as a PNG file. Chapter 12."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from mjcourse.config import UserError
from mjcourse.data.scenes import ASPECTS

SIZES = tuple((height, width) for width, height in ASPECTS.values())  # in pixels


def picture_id(pixels: np.ndarray) -> str:
    """Return the SHA-256 of a picture's shape and pixels, as hexadecimal digits.

    Args:
        pixels: (H, W, 3) uint8 in one of `SIZES`.

    Raises:
        UserError: it is no such picture.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.shape[:2] not in SIZES:
        allowed = ", ".join(f"{height} x {width}" for height, width in SIZES)
        raise UserError(
            f"cannot rate an array of shape {pixels.shape}, {pixels.dtype}; allowed are uint8 pictures (height, "
            f"width, 3) of {allowed}: of an enlarged picture, rate the one it was made from."
        )
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def from_png(png: bytes, key: str) -> np.ndarray | None:
    """Return the pixels (H, W, 3) uint8 of a stored picture, or None where they are not those of its id."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            pixels = np.array(picture)
        return pixels if picture_id(pixels) == key else None
    except Exception:  # Pillow's decoder raises almost anything on damaged bytes
        return None
