"""Paint a scene: layers from the sky to the weather, as SVG, rendered exactly at any size. Chapter 01.

Lengths are in units: the shorter side of a picture is 64 units long whatever its size in pixels.
"""

from __future__ import annotations

import io

import numpy as np
import resvg_py
from PIL import Image

from mjcourse.config import UserError
from mjcourse.data import land, palette, sky
from mjcourse.data.objects import box
from mjcourse.data.palette import air
from mjcourse.data.scenes import ASPECTS, Scene
from mjcourse.data.styles import Brush, finish
from mjcourse.data.things import Placed, placed, things


def render(scene: Scene, size: int = 64, aspect: str = "1:1") -> np.ndarray:
    """Paint a scene (built in chapter 01).

    Args:
        scene: what to paint.
        size: pixels on a side of the square picture; other aspects keep its area about the same.
        aspect: one of ``1:1 3:2 2:3 2:1 1:2``.

    Returns:
        (H, W, 3) uint8; the same bytes for the same arguments.

    Raises:
        UserError: an unknown aspect, or a size that is not 16 to 1024.
    """
    if aspect not in ASPECTS:
        raise UserError(f"there is no aspect {aspect!r}; allowed are {', '.join(ASPECTS)}.")
    if not 16 <= size <= 1024:
        raise UserError(f"a size of {size} pixels cannot be drawn; allowed are 16 to 1024.")
    w, h = (round(side * size / 64) for side in ASPECTS[aspect])
    svg, edges, drawn = to_svg(scene, aspect), "geometric_precision", (w, h)
    if scene.style == "pixel":  # drawn on its own coarse grid without smoothing, then enlarged
        edges, drawn = "crisp_edges", (round(32 * w / min(w, h)), round(32 * h / min(w, h)))
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=drawn[0], height=drawn[1], skip_system_fonts=True, shape_rendering=edges
    )
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    if picture.size != drawn:  # resvg rounds the long side of odd sizes its own way
        picture = picture.resize(drawn, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, np.float32)
    pixels = finish(palette.grade(pixels, scene.mood), scene.style, scene.seed, (w, h))
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def to_svg(scene: Scene, aspect: str = "1:1") -> str:
    """Return the scene as an SVG document, before mood and style are applied to its pixels."""
    return _compose(scene, aspect)[0]


def boxes(scene: Scene, aspect: str = "1:1") -> list[tuple[float, float, float, float]]:
    """Return the box around each object and companion: left, top, right, bottom as shares of width and height."""
    brush, those = _compose(scene, aspect)[1:]
    w, h = brush.width, brush.height
    return [((x - s / 2) / w, (base - s) / h, (x + s / 2) / w, base / h) for _, _, x, base, s in those]


def _compose(scene: Scene, aspect: str) -> tuple[str, Brush, list[Placed]]:
    """Paint a scene; return its SVG, the brush that painted it and the things in it."""
    w, h = ASPECTS[aspect]
    w, h = w * 64 / min(w, h), h * 64 / min(w, h)
    rng = np.random.default_rng(scene.seed)
    brush = Brush(scene, w, h)
    horizon = h * rng.uniform(0.52, 0.57)
    shore = h * rng.uniform(0.76, 0.8) if scene.water != "none" else horizon + 1.5
    brush.sky(tuple(air(scene, c) for c in palette.SKY[scene.time]), horizon)
    if scene.mood == "gloomy":
        brush.raw(box(0, 0, w, horizon * 0.62), brush.gradient((0, (40, 46, 58), 0.7), (1, (40, 46, 58), 0)))
    sun = sky.body(scene, brush, rng, horizon)
    sky.stars_and_clouds(scene, brush, rng, horizon, sun)
    land.background(scene, brush, rng, horizon)
    if scene.water != "none":
        land.water(scene, brush, rng, horizon, shore, sun)
    land.ground(scene, brush, rng, shore)
    if scene.weather == "fog":
        sky.fog(scene, brush, rng, horizon, 5, 0.85)
    those = placed(scene, brush, rng, horizon, shore, sun)
    things(scene, brush, those)
    if scene.weather == "fog":
        sky.fog(scene, brush, rng, horizon, 2, 0.4)
    sky.weather(scene, brush, rng, horizon)
    sky.mood(scene, brush, rng, horizon, sun)
    return brush.svg(), brush, those
