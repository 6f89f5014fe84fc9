"""Palettes: the few colours that a picture is made of, found, named, and laid onto pictures. Chapter 11.

Colours are compared in OKLab, where the nearest is the one that looks nearest; errors of dithering are carried on in
linear light, because the eye mixes neighbouring dots as light.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mjcourse.studio.colour import LUMINANCE, convert, from_hex, to_bytes, to_float, to_oklab

PALETTES: dict[str, np.ndarray] = {  # name -> (N, 3) uint8, dark to light
    name: from_hex(*colours.split())
    for name, colours in {
        "sunset": "1b1033 45215c 8a2f6b d1495b f2784b ffb35c ffe29a fff6dc",
        "meadow": "1f2e20 3d5a2f 6f8f3a b3c44f 6fa8c4 d98a5b ecdf8e f7f3d8",
        "arctic": "0b1d33 1f3f66 31588a 4b7fae 7fb0cf b9d9e6 e4f2f4 ffffff",
        "atlas": "2f3a3f 7a4a3a 5b6b5e c7794f 8fa37a 7fa9a8 c9c48a e8bf52 e9dcb0 f6efd9",
        "candy": "2a1a4a 6b2fa0 e0457b 3f8fe0 ff8fa3 5fd3bc ffd166 fff3e0",
        "riso": "23234a 2b4fa2 7a4aa0 ff5a78 ff9a5a ffd23f f6efe0",
        "pocket": "0f2a1d 3b6b3a 8fae3c e2efae",
        "arcade": "1a1428 343a68 8e44be 2c68d8 1f5a3c de3434 9a6a48 7c8494 3aa654 58b4e8 f08a2c a4d650 face2e f2b0a8 "
        "bfe6f2 f8f4e8",
    }.items()
}
BINS = 32  # of each channel, in the histogram that k-means works on
STARTS = 6  # of k-means; the best counts
ROUNDS = 24  # of k-means at the most
CELLS = 32  # of each channel, in the table that dithering looks colours up in
DEBT = -1, 2  # how far errors may push a pixel
KEPT = 0.7  # of an error in hue, when dithering hands it on


def kmeans(points: np.ndarray, weights: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Find the centres that weighted points gather round, from a k-means++ start (Arthur and Vassilvitskii 2007).

    Args:
        points: (N, 3); weights: (N,), how often each occurs.
        count: centres wanted.
        rng: draws the start.

    Returns:
        Centres (K, 3), K = count or the number of different points if that is smaller; and the weighted sum of
        squared distances to the nearest.
    """
    centres = points[rng.choice(len(points), p=weights / weights.sum())][None]
    gap = np.full(len(points), np.inf)  # squared distance to the nearest centre
    while len(centres) < count:
        gap = np.minimum(gap, ((points - centres[-1]) ** 2).sum(1))
        if not gap.any():
            break  # a centre on each point
        chance = weights * gap
        centres = np.append(centres, points[rng.choice(len(points), p=chance / chance.sum())][None], 0)
    for _ in range(ROUNDS):
        mine = nearest(points, centres)
        share = np.bincount(mine, weights, len(centres))
        sums = np.stack([np.bincount(mine, weights * axis, len(centres)) for axis in points.T], 1)
        moved = np.where(share[:, None] > 0, sums / np.maximum(share, 1e-12)[:, None], centres)
        if np.abs(moved - centres).max() < 1e-5:
            break
        centres = moved
    return centres, float(weights @ ((points - centres[nearest(points, centres)]) ** 2).sum(1))


def extract(lab: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Return the palette of a picture by k-means on its histogram: a few hundred points instead of 65,536.

    Args:
        lab: (H, W, 3) in OKLab.
        count: colours wanted; a picture with fewer colours gives fewer.
        seed: of the starts.

    Returns:
        (N, 3) OKLab, dark to light.
    """
    flat = lab.reshape(-1, 3).astype(np.float64)
    low, high = flat.min(0), flat.max(0)
    width = max(float((high - low).max()), 1e-9)  # cubes of one size, so that no axis counts for more
    cell = np.minimum(((flat - low) / width * BINS).astype(np.intp), BINS - 1)
    code = (cell[:, 0] * BINS + cell[:, 1]) * BINS + cell[:, 2]
    share = np.bincount(code, minlength=BINS**3)
    used = np.flatnonzero(share)
    sums = np.stack([np.bincount(code, axis, BINS**3)[used] for axis in flat.T], 1)
    points, weights = sums / share[used, None], share[used] / len(flat)
    rng = np.random.default_rng(seed)
    best = min((kmeans(points, weights, count, rng) for _ in range(STARTS)), key=lambda found: found[1])[0]
    return best[np.argsort(best[:, 0])].astype(np.float32)


def nearest(lab: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the number of the nearest palette colour: argminₖ ‖c − pₖ‖².

    Args:
        lab: (…, 3) and colours: (N, 3), both in OKLab.
    """
    return ((colours**2).sum(1) - 2 * (lab @ colours.T)).argmin(-1)  # ‖c‖² is the same for all k


@lru_cache(1)
def _cells() -> np.ndarray:
    """Return the colours that dithering tells apart, (CELLS, CELLS, CELLS, 3) in OKLab, by linear light."""
    steps = np.linspace(0, 1, CELLS, dtype=np.float32) ** 2  # finer in the dark, as the eye is
    cells = to_oklab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1))
    cells.setflags(write=False)  # it is shared between calls
    return cells


def diffuse(light: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Dither: hand what each pixel could not show on to its neighbours (Floyd and Steinberg 1976).

    A pixel takes the colour nearest to what it should show; of its error, 7/16 goes right, 3/16 down left, 5/16 down,
    1/16 down right. Luminance is handed on whole, hue to 0.7: a hue that the palette lacks would pile up without end
    and hide the picture. All pixels with the same t = x + 2y are done at once, because none needs another of them: in
    a picture slanted so that t is a row, the four neighbours lie in rows t + 1 to t + 3.

    Args:
        light: (H, W, 3) linear light.
        colours: (N, 3) linear light.

    Returns:
        (H, W) numbers of colours.
    """
    table = nearest(_cells(), to_oklab(colours))
    h, w, _ = light.shape
    y, x = np.indices((h, w))
    slanted = np.zeros((w + 2 * h + 1, h + 1, 3), np.float32)
    slanted[x + 2 * y, y] = light
    chosen = np.zeros(slanted.shape[:2], np.intp)
    for t in range(w + 2 * h - 2):
        a, b = max(0, (t - w + 2) // 2), min(h, t // 2 + 1)  # the rows y that have a pixel here
        wanted = np.clip(slanted[t, a:b], *DEBT)
        cell = np.rint(np.sqrt(np.clip(wanted, 0, 1)) * (CELLS - 1)).astype(np.intp)
        chosen[t, a:b] = table[tuple(cell.T)]
        error = (wanted - colours[chosen[t, a:b]]) / 16
        error += (1 - KEPT) * ((error @ LUMINANCE)[:, None] - error)
        slanted[t + 1, a:b] += 7 * error
        slanted[t + 1, a + 1 : b + 1] += 3 * error
        slanted[t + 2, a + 1 : b + 1] += 5 * error
        slanted[t + 3, a + 1 : b + 1] += error
    return chosen[x + 2 * y, y]


def quantize(lab: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Keep only the picture's own main colours: c' = argminₚ ‖c − p‖ over the palette that k-means finds.

    In OKLab, so that the colours spent are those that the eye tells apart.
    """
    colours = extract(lab, count, seed)
    return colours[nearest(lab, colours)]


def palette(lab: np.ndarray, name: str) -> np.ndarray:
    """Paint with a named palette, each pixel with the nearest colour: c' = argminₚ ‖c − p‖ over its colours.

    In OKLab, so that the nearest colour is the one that looks nearest.
    """
    colours = convert(to_float(PALETTES[name]), "srgb", "oklab")
    return colours[nearest(lab, colours)]


def dither(light: np.ndarray, name: str) -> np.ndarray:
    """Paint with a named palette, mixing what it lacks from dots: c' = argminₚ ‖c + e − p‖, e as `diffuse` hands it on.

    In linear light, so that from afar the dots mix to the light of the original.
    """
    colours = convert(to_float(PALETTES[name]), "srgb", "linear")
    return colours[diffuse(light, colours)]


def extract_palette(picture: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Return the main colours of a picture.

    Args:
        picture: (H, W, 3) uint8.
        count: colours wanted, 1 or more; a picture with fewer colours gives fewer.
        seed: same seed, same colours.

    Returns:
        (N, 3) uint8, dark to light.
    """
    lab = convert(to_float(picture), "srgb", "oklab")
    return to_bytes(convert(extract(lab, count, seed), "oklab", "srgb"))


def remap(picture: np.ndarray, colours: np.ndarray, dots: bool = False) -> np.ndarray:
    """Paint a picture with the colours of a palette, such as another picture's.

    Args:
        picture: (H, W, 3) uint8.
        colours: (N, 3) uint8.
        dots: mix missing colours from dots (`diffuse`).

    Returns:
        (H, W, 3) uint8.
    """
    space, number = ("linear", diffuse) if dots else ("oklab", nearest)
    return colours[number(*(convert(to_float(p), "srgb", space) for p in (picture, colours)))]
