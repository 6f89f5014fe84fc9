"""Tone and colour: what a darkroom and a lens do to a picture. Chapter 11.

Each filter takes and returns a picture (H, W, 3) float32 in the space that its first argument names: ``values``
(sRGB) or ``light`` (linear); `mjcourse.studio.filters` holds the table of ranges and converts between the spaces.
Lengths are in units, as in the scenes: the shorter side of a picture is 64 units long, whatever its size in pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mjcourse.studio.colour import LUMA, LUMINANCE

Points = tuple[tuple[float, float], ...]

BALANCE_STOPS = 0.6  # what temperature 1 adds to red and takes from blue
GRAIN_DEPTH = 0.2  # standard deviation of grain 1 in the mid-tones
GRAIN_SIZE = 0.2  # of a clump, standard deviation in units
SHARPEN_RADIUS = 0.5  # of the unsharp mask, standard deviation in units
FLATTEST = 1e-9  # a slope below this counts as none: dividing by it would overflow


def unit(picture: np.ndarray) -> float:
    """Return how many pixels of a picture (H, W, …) are one unit long."""
    return min(picture.shape[:2]) / 64


def luma(values: np.ndarray) -> np.ndarray:
    """Return the brightness of sRGB values, (H, W): 0.299 R + 0.587 G + 0.114 B."""
    return values @ LUMA


def exposure(light: np.ndarray, stops: float) -> np.ndarray:
    """Open the shutter longer: c' = 2^stops · c.

    In linear light, because a longer exposure collects more photons: one stop doubles them.
    """
    return light * 2.0**stops


def contrast(values: np.ndarray, amount: float) -> np.ndarray:
    """Spread tones away from the picture's mean brightness m: c' = m + amount · (c − m).

    On sRGB values, where equal steps look equal, so that shadows and lights spread alike.
    """
    middle = luma(values).mean()
    return middle + (values - middle) * amount


def saturation(values: np.ndarray, amount: float) -> np.ndarray:
    """Pull colours away from grey of the same luma Y: c' = Y + amount · (c − Y); Y stays as it was.

    On sRGB values, whose luma is the brightness that television, Pillow and the scenes' moods keep.
    """
    grey = luma(values)[..., None]
    return grey + (values - grey) * amount


def _balance(light: np.ndarray, stops: tuple[float, float, float]) -> np.ndarray:
    gains = np.exp2(np.array(stops, np.float32))
    return light * (gains / (gains @ LUMINANCE))  # white keeps its luminance


def temperature(light: np.ndarray, warmth: float) -> np.ndarray:
    """Warm or cool the light: c' = g ∘ c / Y(g) with g = (2^(0.6 t), 1, 2^(−0.6 t)), Y the luminance.

    In linear light: a lamp's colour multiplies the light of each channel (von Kries 1902).
    """
    return _balance(light, (BALANCE_STOPS * warmth, 0.0, -BALANCE_STOPS * warmth))


def tint(light: np.ndarray, magenta: float) -> np.ndarray:
    """Shift the light from green to magenta: c' = g ∘ c / Y(g) with g = (2^(0.3 t), 2^(−0.3 t), 2^(0.3 t)).

    In linear light, for the same reason as `temperature`.
    """
    half = BALANCE_STOPS * magenta / 2
    return _balance(light, (half, -half, half))


def monotone_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the slope at each point with which a cubic through them never overshoots (Fritsch and Carlson 1980).

    Args:
        x: N rising numbers; y: N numbers.
    """
    secants = np.diff(y) / np.diff(x)
    slopes = np.concatenate([secants[:1], (secants[:-1] + secants[1:]) / 2, secants[-1:]])
    slopes[1:-1][np.sign(secants[:-1]) != np.sign(secants[1:])] = 0  # a peak is level
    for k, secant in enumerate(secants):
        if abs(secant) < FLATTEST:
            slopes[k : k + 2] = 0
            continue
        steep = np.hypot(*slopes[k : k + 2] / secant)
        if steep > 3:  # outside the circle of radius 3 the cubic could turn back
            slopes[k : k + 2] *= 3 / steep
    return slopes


def monotone_cubic(points: Points, at: np.ndarray) -> np.ndarray:
    """Evaluate the cubic Hermite curve through some points, flat before the first and after the last.

    On an interval of width h, with t from 0 to 1 along it:
    y(t) = (2t³ − 3t² + 1) y₀ + (t³ − 2t² + t) h m₀ + (3t² − 2t³) y₁ + (t³ − t²) h m₁.

    Args:
        points: at least two (x, y), x rising.
        at: numbers of any shape.
    """
    x, y = np.array(points, np.float64).T
    m = monotone_slopes(x, y)
    # The same cubic in powers of s = x − x₀, which needs fewer look-ups: y₀ + s (m₀ + s (c + s d)).
    h, rise = np.diff(x), np.diff(y)
    c = (3 * rise / h - 2 * m[:-1] - m[1:]) / h
    d = (m[:-1] + m[1:] - 2 * rise / h) / h**2
    x, y, m, c, d = (a.astype(at.dtype) for a in (x, y, m, c, d))
    at = np.clip(at, x[0], x[-1])
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(c) - 1)
    s = at - x[k]
    return y[k] + s * (m[k] + s * (c[k] + s * d[k]))


def curve(values: np.ndarray, points: Points) -> np.ndarray:
    """Bend the tones by a curve through given points: c' = f(c), f the `monotone_cubic` through them.

    On sRGB values of each channel, because that is the axis on which people draw such curves.
    """
    return monotone_cubic(points, values)


def vignette(light: np.ndarray, amount: float) -> np.ndarray:
    """Darken the corners as a lens does: c' = c · (1 + k r²)⁻², with r from 0 in the centre to 1 in the corner.

    That is the cos⁴ law, k = tan² of the angle in the corner; here k = (1 − amount)^(−½) − 1, so that the corner
    loses the share ``amount`` of its light. In linear light, because it is light that the lens loses.
    """
    h, w, _ = light.shape
    y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in (h, w))
    corner = max((h - 1) ** 2 + (w - 1) ** 2, 1) / 4
    far = (y[:, None] ** 2 + x**2) / corner  # r²
    return light * ((1 + ((1 - amount) ** -0.5 - 1) * far) ** -2)[..., None]


def grain(values: np.ndarray, amount: float, seed: int = 0) -> np.ndarray:
    """Add film grain, the same to all channels: c' = c + 0.2 · amount · √(4Y(1 − Y)) · n, with n ~ N(0, 1).

    Clumps are 0.2 units wide, so that a large picture is not merely dusty; black and white stay clean (Y is luma).
    On sRGB values, where noise of one size is equally visible in dark and in light. Same seed, same bytes.
    """
    h, w, _ = values.shape
    size = GRAIN_SIZE * unit(values)
    noise = gaussian(np.random.default_rng(seed).standard_normal((h, w, 1), np.float32), size)
    noise /= np.prod([np.linalg.norm(gaussian_matrix(n, size)[n // 2]) for n in (h, w)])  # as strong as before the blur
    tone = np.clip(luma(values), 0, 1)[..., None]
    return values + GRAIN_DEPTH * amount * np.sqrt(4 * tone * (1 - tone)) * noise


@lru_cache(maxsize=64)
def gaussian_matrix(n: int, sigma: float, derivative: bool = False) -> np.ndarray:
    """Return the blur of a line of n pixels as a matrix, (n, n) float32: ``blurred = matrix @ line``.

    Args:
        n: pixels of the line; the line is mirrored at its ends.
        sigma: standard deviation in pixels; 0 is no blur.
        derivative: return that of the blurred line instead, per pixel.
    """
    reach = max(1, int(np.ceil(4 * sigma)))
    steps = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (steps / max(sigma, 0.05)) ** 2)  # below 0.05 the neighbours get exactly 0
    taps /= taps.sum()
    if derivative:
        taps = np.where(steps, taps, 0) * steps
        taps /= (taps * steps).sum()  # a ramp of slope 1 gives 1
    period = max(1, 2 * n - 2)
    column = (np.arange(n)[:, None] + steps) % period
    matrix = np.zeros((n, n))
    np.add.at(matrix, (np.arange(n)[:, None], np.minimum(column, period - column)), taps)
    matrix = matrix.astype(np.float32)
    matrix.setflags(write=False)  # it is shared between calls
    return matrix


def gaussian(picture: np.ndarray, sigma: float, along: str = "") -> np.ndarray:
    """Blur a picture (H, W, C) by a Gaussian, as two products of matrices: quick at any radius.

    Args:
        picture: in any space.
        sigma: standard deviation in pixels.
        along: ``x`` or ``y`` to return the derivative of the blurred picture in that direction, per pixel.
    """
    h, w, c = picture.shape
    down = gaussian_matrix(h, sigma, along == "y") @ picture.reshape(h, w * c)
    side = np.ascontiguousarray(down.reshape(h, w, c).swapaxes(0, 1)).reshape(w, h * c)
    return np.ascontiguousarray((gaussian_matrix(w, sigma, along == "x") @ side).reshape(w, h, c).swapaxes(0, 1))


def blur(light: np.ndarray, size: float) -> np.ndarray:
    """Put the picture out of focus: c' = G_σ ∗ c, G_σ a Gaussian with σ = size in units.

    In linear light, because it is light that an unfocused lens mixes: a bright dot stays bright.
    """
    return gaussian(light, size * unit(light))


def sharpen(values: np.ndarray, amount: float) -> np.ndarray:
    """Add what a blur would take away, the unsharp mask: c' = c + amount · (c − G_σ ∗ c), σ = 0.5 units.

    On sRGB values, so that the light and the dark rim of an edge are equally strong to the eye.
    """
    return values + amount * (values - gaussian(values, SHARPEN_RADIUS * unit(values)))
