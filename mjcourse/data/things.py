"""Where the objects of a scene stand, and how each is put there."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mjcourse.data import palette
from mjcourse.data.objects import SHAPES, SIZE, SPACING, TINTS, disc
from mjcourse.data.palette import RGB, css, lit, mix
from mjcourse.data.scenes import AFLOAT, Scene
from mjcourse.data.sky import THIRDS, WHITE
from mjcourse.data.styles import Brush


class Placed(NamedTuple):
    """One thing in a picture: its kind and colour, and its box, `size` units wide and high, in units of the picture."""

    kind: str
    colour: str
    x: float  # of its middle
    base: float  # of its bottom edge
    size: float


def placed(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, shore: float, sun) -> list[Placed]:
    """Return where the object stands, as often as it is counted, and its companion: in the frame, rearmost first."""
    if scene.object == "none":
        return []
    w, h = brush.width, brush.height
    n = ("one", "two", "three").index(scene.count) + 1
    paired = scene.companion != "none"
    middle = THIRDS[scene.place] + rng.uniform(-0.03, 0.03)
    middle += {"left": 1, "center": 0, "right": -1}[scene.place] * (0.0, 0.05, 0.09)[n - 1]
    shrink = (1.0, 0.74, 0.54)[n - 1] * (0.92 if paired else 1.0)
    step = SIZE[scene.object] * shrink * SPACING.get(scene.object, 1.04)
    margin = 4.5 if brush.style == "watercolor" else 1.0
    reach = ((n - 1) / 2 * step + 0.5 * SIZE[scene.object] * shrink + margin) / w
    middle = min(1 - reach, max(reach, middle))
    jobs = []
    for i in range(n):
        x = w * middle + (i - (n - 1) / 2) * step
        jobs.append((scene.object, scene.color, x, shrink, rng.uniform(-0.4, 0.4) + (1.2 if i % 2 else 0.0)))
    if paired:
        side = -1 if scene.relation == "left" else 1
        x = min(0.9, max(0.1, middle + side * (0.34, 0.38, 0.42)[n - 1])) * w
        jobs.append((scene.companion, scene.companion_color, x, 0.86, rng.uniform(-0.6, 0.6)))
    found = []
    for kind, colour, x, shrink_, dy in sorted(jobs, key=lambda job: job[4]):
        size = SIZE[kind] * shrink_
        if kind == "balloon":
            base = horizon * 0.62 + size / 2 + dy
            if sun is not None and abs(x - sun[0]) < 17:
                base, x = base + 5, x + math.copysign(5, w / 2 - x)
        elif kind in AFLOAT:
            base = horizon + (shore - horizon) * 0.72 + dy
        else:
            base = shore + (h - shore) * (0.52 if scene.water != "none" else 0.5) + dy
        found.append(Placed(kind, colour, min(w - size / 2 - margin, max(size / 2 + margin, x)), base, size))
    return found


def things(scene: Scene, brush: Brush, those: list[Placed]) -> None:
    """Paint the things that stand in a scene."""
    for kind, colour, x, base, size in those:
        _thing(scene, brush, kind, palette.OBJECT_RGB[colour], x, base, size)


def _thing(scene: Scene, brush: Brush, kind: str, colour: RGB, x: float, base: float, size: float) -> None:
    scale = size / 100
    half = size * {"lighthouse": 0.26, "pine": 0.34, "palm": 0.24, "windmill": 0.26, "parasol": 0.36}.get(kind, 0.46)
    if kind in AFLOAT:
        brush.raw(
            f"M{x - half:.2f} {base:.2f}h{2 * half:.2f}l-1.6 1.7h{-2 * half + 3.2:.2f}Z",
            css(brush.tone(mix(colour, (30, 60, 110), 0.4))),
            0.5,
        )
    elif kind != "balloon" and brush.style != "neon":
        brush.raw(disc(x + size * 0.08, base, half * 1.15, size * 0.055 + 0.35), "#1a1430", 0.26)
    glow = {"morning": 0.15, "day": 0.1, "sunset": 0.28, "night": 0.28}[scene.time]
    tint = lit(scene, colour, glow)
    fixed = {name: lit(scene, rgb, 0.8) for name, rgb in TINTS.items()}
    warm = scene.time in ("night", "sunset")
    fixed["window"] = TINTS["window"] if warm else (120, 160, 190)
    tints = fixed | {
        "main": tint, "light": mix(tint, WHITE, 0.3), "shade": mix(tint, (40, 20, 70), 0.24),
        "rope": fixed["dark"], "blush": (240, 150, 160), "spray": lit(scene, (214, 240, 252), 0.5),
    }  # fmt: skip
    place = f"translate({x - size / 2:.2f} {base - size:.2f}) scale({scale:.4f})"
    for d, tint_name in SHAPES[kind]:
        minor = tint_name in ("dark", "window", "blush", "rope")
        brush.shape(d, tints[tint_name], place=place, scale=scale, thing=True, line=0.0 if minor else 0.8)
    if warm and kind == "lighthouse" and scene.time == "night":
        brush.glow(x, base - size * 0.78, size * 0.3, (255, 236, 150), 0.7)
