"""Three ways to write a colour, and the roads between them. Chapter 11.

- ``srgb``: the numbers in a file, 0 to 1 for 0 to 255. Equal steps look about equal.
- ``linear``: light, 0 (none) to 1 (all the screen has). Twice the number is twice the photons, so whatever mixes,
  adds or scales light is computed here.
- ``oklab``: lightness (0 to 1), green–red, blue–yellow (about ±0.4). Distances look about as large as they are.

The sRGB curve is that of IEC 61966-2-1; OKLab is Björn Ottosson's, "A perceptual color space for image processing"
(2020). Numbers outside 0 to 1 pass through both ways, so that a filter may overshoot and a later one bring it back.
"""

from __future__ import annotations

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of sRGB values (Rec. 601), as Pillow and the scenes have it
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear light (Rec. 709)

_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_TO_LMS, _TO_LAB = (m.T.astype(np.float32) for m in (_LMS, _LAB))
_FROM_LMS, _FROM_LAB = (np.linalg.inv(m).T.astype(np.float32) for m in (_LMS, _LAB))


def to_light(values: np.ndarray) -> np.ndarray:
    """Turn sRGB values into linear light: v/12.92 up to 0.04045, above it ((v + 0.055)/1.055)^2.4."""
    return np.where(values <= 0.04045, values / 12.92, np.maximum((values + 0.055) / 1.055, 0) ** 2.4)


def to_values(light: np.ndarray) -> np.ndarray:
    """Turn linear light into sRGB values, the inverse of `to_light`."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def to_oklab(light: np.ndarray) -> np.ndarray:
    """Turn linear light into OKLab: M₂ · ∛(M₁ · rgb). (…, 3) float to (…, 3) float32."""
    return np.cbrt(light.astype(np.float32, copy=False) @ _TO_LMS) @ _TO_LAB


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """Turn OKLab into linear light, the inverse of `to_oklab`; colours that no screen shows leave 0 to 1."""
    return (lab.astype(np.float32, copy=False) @ _FROM_LAB) ** 3 @ _FROM_LMS


# One step from each space towards each other one; srgb and oklab meet in linear light.
_STEP = {
    ("srgb", "linear"): (to_light, "linear"),
    ("srgb", "oklab"): (to_light, "linear"),
    ("linear", "srgb"): (to_values, "srgb"),
    ("linear", "oklab"): (to_oklab, "oklab"),
    ("oklab", "linear"): (from_oklab, "linear"),
    ("oklab", "srgb"): (from_oklab, "linear"),
}


def convert(picture: np.ndarray, source: str, target: str) -> np.ndarray:
    """Rewrite a picture (…, 3) from one space to another; the same array where they are the same."""
    while source != target:
        step, source = _STEP[source, target]
        picture = step(picture)
    return picture


def to_float(picture: np.ndarray) -> np.ndarray:
    """Turn bytes (…, 3) into sRGB values, float32 in 0 to 1."""
    return picture.astype(np.float32) / 255


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Round sRGB values to uint8; here, and only here, what is below 0 or above 1 is cut off."""
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def from_hex(*colours: str) -> np.ndarray:
    """Turn colours such as ``ff8800`` into bytes, (N, 3) uint8."""
    return np.array([tuple(bytes.fromhex(colour)) for colour in colours], np.uint8)
