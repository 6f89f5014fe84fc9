"""Two marks in the pixels themselves: one to be seen and one to be found. Chapter 11.

Metadata goes with the first re-save; what is in the pixels stays. The visible mark tells people. The invisible one is
a spread-spectrum watermark (Cox et al. 1997): a pattern of +1 and -1, drawn from a seed, is spread thinly over the
whole picture, and found again by correlation with the same pattern. All it says is that this course made the picture:

    marked = picture + STRENGTH * pattern                       z = sum(pattern * rest) / sqrt(sum(rest ** 2))

where `rest` is the picture without its smooth parts. Without the mark, z of any picture has mean 0 and variance 1 over
the seeds, since the signs are independent of it; so the threshold fixes how often a picture is wrongly found.

The pattern has only 64 × 64 cells, whatever the picture's size: low frequencies survive JPEG and a change of size, fine
ones do not. A crop, a turn or a new drawing by another model removes it, and whoever knows the seed can subtract it.
"""

from __future__ import annotations

from itertools import count

import numpy as np
from PIL import Image, ImageDraw

from mjcourse.viz import font

MIN_SIDE = 192  # pixels of the shorter side from which marks make sense: every aspect once upscaled

MARK_TEXT = "AI生成 · AI-generated"
MARK_HEIGHT = 0.05  # of the shorter side; GB 45438-2025, 5.2, asks for no less
WHITE, PLATE = (255, 255, 255, 255), (16, 16, 16, 165)  # white on a plate so dense that it reads on white too

CELLS = 64
SEED = 45438  # public: anybody may look for the mark
STRENGTH = 1.5  # grey levels (of 255), root mean square: a PSNR of 44 dB
LIMIT = 1.5  # grey levels; an edge must not outvote the many flat cells: without a limit z is a third as large
THRESHOLD = 4.0  # of z; a normal z is above it once in 31,000 pictures


# --- the mark to be seen --------------------------------------------------------------------------


def mark_font(side: int):
    """Return the smallest font whose capitals are `MARK_HEIGHT` of a picture's shorter side, in pixels."""
    for size in count(max(1, int(MARK_HEIGHT * side))):
        _, top, _, bottom = font(size).getbbox("AI")
        if bottom - top >= MARK_HEIGHT * side:
            return font(size)


def add_mark(pixels: np.ndarray) -> np.ndarray:
    """Write `MARK_TEXT` into the lower right corner, white on a dark plate, readable on anything.

    Args:
        pixels: (H, W, 3) uint8; the shorter side should be at least `MIN_SIDE`, or nobody can read it.

    Returns:
        (H, W, 3) uint8; what is given stays as it is.
    """
    high, wide = pixels.shape[:2]
    face = mark_font(min(high, wide))
    left, top, right, bottom = face.getbbox(MARK_TEXT)
    pad = max(2, round(0.3 * face.size))
    box = (wide - (right - left) - 3 * pad, high - (bottom - top) - 3 * pad, wide - pad, high - pad)
    layer = Image.new("RGBA", (wide, high))
    draw = ImageDraw.Draw(layer)
    draw.rounded_rectangle(box, pad, fill=PLATE)
    draw.text((box[0] + pad - left, box[1] + pad - top), MARK_TEXT, fill=WHITE, font=face)
    return np.asarray(Image.alpha_composite(Image.fromarray(pixels).convert("RGBA"), layer).convert("RGB"))


# --- the mark to be found -------------------------------------------------------------------------


def pattern(seed: int = SEED) -> np.ndarray:
    """Return the signs of a seed, `CELLS` × `CELLS`, +1 or -1 with equal chance."""
    return np.random.default_rng(seed).choice((-1.0, 1.0), (CELLS, CELLS))


def spread(side: int) -> np.ndarray:
    """Return the matrix (side, `CELLS`) that enlarges a row of cells to pixels, linearly between their middles."""
    at = ((np.arange(side) + 0.5) * CELLS / side - 0.5).clip(0, CELLS - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(CELLS)))


def gather(side: int) -> np.ndarray:
    """Return the matrix (`CELLS`, side) that averages pixels over cells; a pixel in two cells counts for each."""
    edges, pixel = np.arange(CELLS + 1) * side / CELLS, np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return overlap.clip(0) * CELLS / side


def embed(pixels: np.ndarray, seed: int = SEED, strength: float = STRENGTH) -> np.ndarray:
    """Add the pattern of a seed to the brightness of a picture.

    Args:
        pixels: (H, W, 3) uint8.
        seed: of the signs.
        strength: grey levels, root mean square; PSNR = 20 log10(255 / strength) where nothing is cut off at 0 or 255.

    Returns:
        (H, W, 3) uint8.
    """
    high, wide = pixels.shape[:2]
    wave = spread(high) @ pattern(seed) @ spread(wide).T  # (H, W)
    wave *= strength / wave.std()
    return (pixels + wave[..., None]).round().clip(0, 255).astype(np.uint8)


def residue(pixels: np.ndarray) -> np.ndarray:
    """Return what is left of a picture, cell by cell, when its neighbours' mean is taken away; (`CELLS`, `CELLS`).

    Args:
        pixels: (H, W, 3) uint8 of any size, so that a picture of another size is looked at in the same cells.
    """
    high, wide = pixels.shape[:2]
    cells = gather(high) @ pixels.mean(axis=2) @ gather(wide).T
    around = np.pad(cells, 1, mode="edge")
    neighbours = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
    return (cells - neighbours).clip(-LIMIT, LIMIT)


def score(pixels: np.ndarray, seed: int = SEED) -> float:
    """Return z, the correlation with a seed's pattern in standard deviations: near 0 without the mark.

    Args:
        pixels: (H, W, 3) uint8.
        seed: whose mark to look for.
    """
    rest = residue(pixels)
    energy = np.sqrt((rest**2).sum())
    return float((pattern(seed) * rest).sum() / energy) if energy > 1e-6 else 0.0  # of one colour: nothing to see


def is_marked(pixels: np.ndarray, seed: int = SEED) -> bool:
    """Say whether a picture carries the mark of a seed: z above `THRESHOLD`."""
    return score(pixels, seed) > THRESHOLD
