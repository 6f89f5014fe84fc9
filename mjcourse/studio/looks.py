"""Styles and looks: filters that turn a picture into a print, a drawing or a game, and chains with a name. Chapter 11.

A style takes and returns a picture (H, W, 3) float32 in the space that its first argument names: ``values`` (sRGB),
``light`` (linear) or ``lab`` (OKLab). A look is a chain of filters, written as a user would type it. Lengths are in
units, 64 of which make the shorter side of a picture.
"""

from __future__ import annotations

import numpy as np

from mjcourse.studio.colour import LUMINANCE, convert, from_hex, to_float
from mjcourse.studio.tone import gaussian, luma, unit

MIDDLE = 0.6  # lightness of the mid-tones below: that of a middle grey
DUOTONES: dict[str, np.ndarray] = {  # name -> shadows, mid-tones, lights, in OKLab
    name: convert(to_float(from_hex(*colours.split())), "srgb", "oklab")
    for name, colours in {
        "silver": "0a0a0c 7a7a7c f8f6f2",
        "sepia": "20140c 9c7148 f8ecd0",
        "cyanotype": "0a1c3e 3f7cb0 f0f6f4",
        "dusk": "1b1240 c0567d ffe2b4",
        "forest": "0f2418 6a9a5b f6f2d4",
    }.items()
}
LOOKS: dict[str, str] = {
    "noir": "duotone silver, contrast 1.7, vignette 0.6, grain 0.12",
    "sepia": "duotone sepia, contrast 1.3, vignette 0.4, grain 0.1",
    "cyanotype": "duotone cyanotype, contrast 1.3, grain 0.06",
    "faded": "fade 0.8, temperature 0.2, grain 0.08",
    "golden": "temperature 0.6, saturation 1.2, glow 0.4, vignette 0.35",
    "moonlit": "exposure -0.8, temperature -1, saturation 0.5, glow 0.6, vignette 0.4",
    "dream": "glow 0.8, fade 0.25, tint 0.2, saturation 1.2",
    "comic": "saturation 1.5, posterize 6, outline 0.9, halftone 0.4",
    "storybook": "quantize 12, outline 0.7, fade 0.4, grain 0.04",
    "riso": "contrast 1.3, dither riso",
    "arcade": "contrast 1.2, saturation 1.3, pixelate 2, quantize 16",
    "pocket": "duotone forest, contrast 1.8, dither pocket",
}
FILM_BLACK = np.array([0.15, 0.14, 0.2], np.float32)  # old film's shadows have turned to blue,
FILM_WHITE = np.array([0.98, 0.95, 0.87], np.float32)  # its whites to cream,
FILM_COLOUR = 0.65  # and this much of its dyes is left
GLOW_SIZE = 3.0  # of the halo, standard deviation in units
PEN = 0.4, 0.7  # width of the ink line: in units, but at least so many pixels
INK = convert(to_float(from_hex("1c1826")), "srgb", "oklab")[0]
EDGE = 0.05, 0.16  # height in OKLab of a step that gets no line, and of one that gets a full line
DOT = 2.5, 4.0  # distance of halftone dots: in units, but at least so many pixels
DARKEST = 0.75  # the share of black that dots cover
DOT_INK = 0.75  # of the light, what a dot of halftone 1 takes away


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise from 0 at low to 1 at high without a corner: t²(3 − 2t)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fade(values: np.ndarray, amount: float) -> np.ndarray:
    """Age the film: c' = c + amount · (f − c), f = b + (w − b) · (Y + 0.65 (c − Y)).

    b is a blue grey, w a cream, Y the luma: shadows are lifted, whites yellowed, colours paled. On sRGB values, as
    dyes fade by about equal steps of what the eye sees.
    """
    grey = luma(values)[..., None]
    old = FILM_BLACK + (FILM_WHITE - FILM_BLACK) * (grey + FILM_COLOUR * (values - grey))
    return values + amount * (old - values)


def glow(light: np.ndarray, amount: float) -> np.ndarray:
    """Let bright parts shine over their rims: c' = 1 − (1 − c)(1 − amount · G_σ ∗ (s c)), σ = 3 units.

    s rises smoothly from 0 where the luminance is 0.25 to 1 where it is 1. In linear light, because light adds: c + g
    where both are small; the product keeps the sum below 1, as film does.
    """
    bright = light * smoothstep(light @ LUMINANCE, 0.25, 1)[..., None]
    return 1 - (1 - light) * (1 - amount * np.clip(gaussian(bright, GLOW_SIZE * unit(light)), 0, 1))


def duotone(lab: np.ndarray, name: str) -> np.ndarray:
    """Print in one ink's shades: c' = ramp(L), from shadows (L = 0) by mid-tones (0.6) to lights (1).

    In OKLab, whose L is lightness as seen, and in which the ramp's colours mix without turning grey.
    """
    shades = DUOTONES[name]
    return np.stack([np.interp(lab[..., 0], (0, MIDDLE, 1), axis).astype(np.float32) for axis in shades.T], -1)


def posterize(lab: np.ndarray, levels: int) -> np.ndarray:
    """Flatten the shading to n steps: L' = a + (b − a)(⌊n (L − a)/(b − a)⌋ + ½)/n, hue and chroma as they were.

    a and b are the picture's least and greatest lightness, so that a night scene gets n steps too. In OKLab, whose L
    alone can be stepped: stepping R, G and B would make stray colours.
    """
    lightness = np.clip(lab[..., 0], 0, 1)
    low, high = float(lightness.min()), float(lightness.max())
    step = max(high - low, 1e-6) / levels
    number = np.clip(np.floor((lightness - low) / step), 0, levels - 1)
    return np.concatenate([(low + (number + 0.5) * step)[..., None], lab[..., 1:]], -1)


def outline(lab: np.ndarray, amount: float) -> np.ndarray:
    """Draw ink along edges: c' = c + amount · e · (ink − c), e from 0 to 1.

    e rises with the height of the edge, √(2π) σ ‖∇(G_σ ∗ c)‖, from 0.05 to 0.16, σ = 0.4 units, and is 0 on its
    lighter side, where L > G_2σ ∗ L. In OKLab, where a step is as high as it looks, whatever its hue.
    """
    sigma = max(PEN[0] * unit(lab), PEN[1])
    slope = sum((gaussian(lab, sigma, along) ** 2).sum(-1) for along in "xy")
    height = np.sqrt(2 * np.pi * slope) * sigma
    darker = (gaussian(lab[..., :1], 2 * sigma) - lab[..., :1])[..., 0]
    line = smoothstep(height, *EDGE) * smoothstep(darker, -0.02, 0.02)
    return lab + amount * line[..., None] * (INK - lab)


def _screen(h: int, w: int, spacing: float) -> np.ndarray:
    """Return a printer's screen at 45°, (h, w): below the number a lies the share a of all places, for any a."""
    y, x = np.indices((h, w), np.float32)
    turn = np.pi * np.sqrt(2) / spacing
    wave = np.cos(turn * (x + y)) + np.cos(turn * (x - y))
    one = np.cos(np.linspace(0, 2 * np.pi, 256, endpoint=False))
    ranks = np.quantile(one[:, None] + one, np.linspace(0, 1, 65))
    return np.interp(-wave, ranks, np.linspace(0, 1, 65)).astype(np.float32)


def halftone(light: np.ndarray, amount: float) -> np.ndarray:
    """Print in dots: c' = c (1 − d) in a dot and c (1 − a (1 − d))/(1 − a) beside it, d = 0.75 · amount.

    a = 0.75 (1 − √Y) is the share that dots cover, more where the luminance Y is low; what is beside them is brighter,
    so that each place keeps its light: a (1 − d) + (1 − a) (1 − a (1 − d))/(1 − a) = 1. In linear light, which is
    what the eye averages over dots.
    """
    depth = DOT_INK * amount
    h, w, _ = light.shape
    spacing = max(DOT[0] * unit(light), DOT[1])
    dark = DARKEST * (1 - np.sqrt(np.clip(light @ LUMINANCE, 0, 1)))
    sharp = 0.8 * spacing  # so that the rim of a dot is about one pixel wide
    edge = np.where(dark < 0.5 / sharp, np.sqrt(2 * sharp * dark), sharp * dark + 0.5)  # so that the mean dot is `dark`
    dot = np.clip(edge - sharp * _screen(h, w, spacing), 0, 1)
    paper = (1 - dark * (1 - depth)) / (1 - dark)
    return light * (paper + dot * (1 - depth - paper))[..., None]


def pixelate(light: np.ndarray, size: int) -> np.ndarray:
    """Enlarge the pixels: c' = mean of c over squares of size × size units, cut off at the right and bottom.

    In linear light, in which a pixel's light is the mean of the light that falls on it.
    """
    h, w, _ = light.shape
    side = max(1, round(size * unit(light)))
    rows, columns = np.arange(0, h, side), np.arange(0, w, side)
    total = np.add.reduceat(np.add.reduceat(light, rows, 0), columns, 1)
    count = np.diff(rows, append=h)[:, None] * np.diff(columns, append=w)
    mean = total / count[..., None].astype(np.float32)
    return mean.repeat(side, 0)[:h].repeat(side, 1)[:, :w]
