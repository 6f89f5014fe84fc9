"""One picture file from anywhere, made upright, RGB and harmless, or refused for a named reason.

Files from phones, scanners and the web are animated, turned, CMYK, 16 bits deep, cut short, or no
pictures at all. ``open_picture`` mends what it can and says so; everything else is a ``BadPicture``
whose text is one of the reasons below (chapters 01 and 14).
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")  # Pillow's names; no scripts such as EPS
SUFFIXES = {
    **{".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF", ".webp": "WEBP", ".bmp": "BMP"},
    **{".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM"},
}
MAX_PIXELS = 50_000_000  # more is refused, unless a JPEG can be decoded at a fraction of its size

# Why a file is skipped.
EMPTY, NOT_PICTURE, TRUNCATED, DAMAGED = "empty file", "not a picture", "truncated", "damaged"
NO_PERMISSION, UNREADABLE, MISSING = "no permission to read", "cannot be read", "missing"
HUGE, HIDDEN, SPECIAL = "more than 50 megapixels", "hidden or system file", "not a regular file"
LINK_LOOP, BROKEN_LINK = "link that leads in a circle", "broken link"
NO_CLASS, NO_CAPTION = "not in a class folder", "no caption"
NOT_LISTED, OUTSIDE = "not in captions.csv", "outside the folder"

# What is mended on reading.
FIRST_FRAME, ROTATED, CMYK = "animated: first frame", "turned upright (EXIF)", "CMYK made RGB"
DEEP, TRANSPARENT, GREY = "16 or 32 bits made 8", "transparency laid on white", "grey made RGB"
SHRUNK, SUFFIX = "huge JPEG read smaller", "file name of another format"


class BadPicture(Exception):
    """A file that cannot be used; its text is one of the reasons above."""


def open_picture(path: Path, size: int = 64):
    """Return a file's picture, upright and RGB, and the list of what was mended (chapter 01).

    Args:
        path: any file.
        size: side in pixels that will be needed; JPEGs are decoded at no less than 4 times that.

    Raises:
        BadPicture: the file cannot be used; the text is the reason.
    """
    from PIL import Image, UnidentifiedImageError

    start = b""
    try:
        if not path.is_file():
            raise BadPicture(SPECIAL if path.exists() else BROKEN_LINK if path.is_symlink() else MISSING)
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's: we have our own limit, and bad EXIF is no news
            start = file.read(12)
            if not start:
                raise BadPicture(EMPTY)
            file.seek(0)
            with Image.open(file, formats=FORMATS) as picture:
                return _decode(picture, path.suffix.lower(), size)
    except BadPicture:
        raise
    except UnidentifiedImageError as error:
        raise BadPicture(DAMAGED if _starts_like_a_picture(start) else NOT_PICTURE) from error
    except Image.DecompressionBombError as error:
        raise BadPicture(HUGE) from error
    except PermissionError as error:
        raise BadPicture(NO_PERMISSION) from error
    except FileNotFoundError as error:
        raise BadPicture(MISSING) from error
    except OSError as error:
        if error.errno is not None:
            raise BadPicture(UNREADABLE) from error
        raise BadPicture(TRUNCATED if "truncated" in str(error).lower() else DAMAGED) from error
    except Exception as error:  # Pillow's decoders raise almost anything on malformed files
        raise BadPicture(DAMAGED) from error


def _starts_like_a_picture(start: bytes) -> bool:
    magic = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")
    return start.startswith(magic) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def _decode(picture, suffix: str, size: int):
    """Return (upright RGB picture, notes) of an opened Pillow picture."""
    from PIL import Image

    notes = []
    phone = picture.format == "MPO"  # a phone's JPEG with a second picture inside
    kind = "JPEG" if phone else picture.format
    if SUFFIXES.get(suffix) != kind:
        notes.append(SUFFIX)
    huge = picture.width * picture.height > MAX_PIXELS
    if kind == "JPEG":
        picture.draft(None, (4 * size, 4 * size))
    if picture.width * picture.height > MAX_PIXELS:
        raise BadPicture(HUGE)
    if huge:
        notes.append(SHRUNK)
    if getattr(picture, "n_frames", 1) > 1 and not phone:
        picture.seek(0)
        notes.append(FIRST_FRAME)
    picture.load()
    turn = _turn(picture)
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
        notes.append(DEEP)
    if picture.has_transparency_data:
        drawn = picture.convert("RGBA")
        picture = Image.new("RGBA", drawn.size, "white")
        picture.alpha_composite(drawn)
        notes.append(TRANSPARENT)
    elif picture.mode in ("1", "L"):
        notes.append(GREY)
    elif picture.mode == "CMYK":
        notes.append(CMYK)
    picture = picture.convert("RGB")
    if turn is not None:
        picture = picture.transpose(turn)
        notes.append(ROTATED)
    return picture, notes


def _turn(picture):
    """Return the transposition that sets a picture upright by its EXIF orientation, or None."""
    from PIL.Image import Transpose as T

    turns = [T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM, T.TRANSPOSE]  # for 2 to 5
    turns += [T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90]  # for 6 to 8
    with suppress(Exception):  # damaged EXIF in a sound picture
        return dict(enumerate(turns, 2)).get(picture.getexif().get(0x0112, 1))
    return None


def _eight_bits(picture):
    """Return a grey picture of 16-bit, 32-bit or float values as 8 bits, white staying white."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    top = values.max(initial=0)
    if picture.mode == "F":
        top = 1 if top <= 1 else max(top, 255)
    else:
        top = 65535 if picture.mode.startswith("I;16") else 255 if top <= 255 else max(top, 65535)
    return Image.fromarray((values / top * 255).round().clip(0, 255).astype(np.uint8))
