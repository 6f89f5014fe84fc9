"""The design task of chapter 11: four colours from whose dots a picture is best mixed."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.learn.chapters.rendering_inputs import called, numpy_generator
from mjcourse.learn.compare import missed, tensor_of
from mjcourse.learn.exercise import Answers, Wrong
from mjcourse.studio.colour import convert, to_bytes, to_float, to_light, to_oklab, to_values
from mjcourse.studio.palettes import extract_palette, remap
from mjcourse.studio.tone import gaussian

PICTURES, SIDE = 8, 32  # pixels
COLOURS = 4  # of a palette
ACROSS, SOFTNESS = 3, 0.15  # coloured lights of a picture, in either direction; how softly they go over
AFAR = 1.5  # pixels, standard deviation of the blur of an eye that stands back
GOOD = 0.9  # of the error of k-means, the most that is allowed
WIDE, OFF = 1.3, 0.03  # spread, over that of k-means, and shift of lightness from which a failure is told by them


def soft_pictures(g: torch.Generator, count: int = PICTURES) -> np.ndarray:
    """Return pictures of coloured lights that go over into each other, (count, SIDE, SIDE, 3) uint8."""
    rng, lights = numpy_generator(g), np.arange(ACROSS**2)
    y, x = np.mgrid[:SIDE, :SIDE][..., None] / SIDE
    made = []
    for _ in range(count):
        light = to_light(rng.uniform(0, 1, (len(lights), 3)))
        down, right = rng.uniform(0.1, 0.9, (2, len(lights)))  # each has a place in a square of its own
        top, left = (lights // ACROSS + down) / ACROSS, (lights % ACROSS + right) / ACROSS
        near = ((y - top) ** 2 + (x - left) ** 2) / SOFTNESS  # (SIDE, SIDE, ACROSS²)
        share = np.exp(near.min(-1, keepdims=True) - near)
        made.append(to_bytes(to_values(share @ light / share.sum(-1, keepdims=True))))
    return np.stack(made)


def seen(picture: np.ndarray) -> np.ndarray:
    """Return what an eye sees of a picture (H, W, 3) uint8 from afar: its light, blurred, in OKLab, (H, W, 3)."""
    return to_oklab(gaussian(convert(to_float(picture), "srgb", "linear"), AFAR))


def dots_error(picture: np.ndarray, colours: np.ndarray) -> float:
    """Return how far a picture in dots of some colours, (N, 3) uint8, is from the picture, both seen from afar.

    Root mean square distance in OKLab.
    """
    gap = seen(remap(picture, colours, dots=True)) - seen(picture)
    return float(np.sqrt((gap**2).sum(-1).mean()))


def check_dots_palette(answers: Answers, g: torch.Generator) -> None:
    """`dots_palette(picture, count)`, (H, W, 3) uint8, a number → at most `count` colours (N, 3) uint8."""
    answer, pictures = answers["dots_palette"], soft_pictures(g)
    palettes = [_colours(called(answer, picture, COLOURS)) for picture in pictures]
    if all(np.array_equal(palettes[0], other) for other in palettes[1:]):
        raise Wrong("every picture gets the same colours; a palette belongs to its picture.")
    rival = sum(dots_error(picture, extract_palette(picture, COLOURS)) for picture in pictures)
    score = sum(map(dots_error, pictures, palettes)) / rival
    if score <= GOOD:
        return
    said = f"error {missed(score, GOOD)} of that of k-means, wanted {GOOD} or less"
    if min(len(np.unique(colours, axis=0)) for colours in palettes) < COLOURS:
        raise Wrong(f"some palette has fewer than {COLOURS} different colours; use all of them ({said}).")
    wanted = np.stack([seen(picture) for picture in pictures])
    made = np.stack([seen(remap(*pair, dots=True)) for pair in zip(pictures, palettes, strict=True)])
    if abs((made - wanted)[..., 0].mean()) > OFF:
        raise Wrong(f"from afar the pictures are too dark or too light: is the palette in bytes of sRGB ({said})?")
    if sum(map(_spread, palettes)) > WIDE * sum(_spread(extract_palette(picture, COLOURS)) for picture in pictures):
        raise Wrong(f"the colours lie so far apart that the dots are still seen from afar ({said}).")
    away, back = (x - x.mean((1, 2), keepdims=True) for x in (wanted, made))
    strength = (away * back).sum() / (away**2).sum()
    raise Wrong(
        f"from afar the colours have {strength:.0%} of the picture's strength: dots mix only what lies *between* the "
        f"palette's colours ({said})."
    )


def _spread(colours: np.ndarray) -> float:
    """Return how far the colours of a palette, (N, 3) uint8, are from their mean in OKLab, root mean square."""
    lab = convert(to_float(colours), "srgb", "oklab")
    return float(np.sqrt(((lab - lab.mean(0)) ** 2).sum(1).mean()))


def _colours(value: object) -> np.ndarray:
    """Return a palette that was returned, (N, 3) uint8.

    Raises:
        Wrong: it is none.
    """
    made = tensor_of(value, "the palette")
    if made.dim() != 2 or made.shape[1] != 3 or not 1 <= len(made) <= COLOURS:
        raise Wrong(f"the palette must have 1 to {COLOURS} colours, (N, 3); yours has shape {tuple(made.shape)}.")
    if not torch.equal(made, made.round()) or made.min() < 0 or made.max() > 255:
        raise Wrong("the palette must hold bytes, whole numbers from 0 to 255; `to_bytes` makes them of sRGB values.")
    if made.max() <= 1:
        raise Wrong("all colours of the palette are nearly black; bytes go up to 255.")
    return made.numpy().astype(np.uint8)
