"""What hangs in the sky and falls from it: sun and moon, clouds, weather, and the marks of a mood."""

from __future__ import annotations

import math

import numpy as np

from mjcourse.data import palette
from mjcourse.data.objects import box, disc
from mjcourse.data.palette import RGB, lit, mix
from mjcourse.data.scenes import PLACES, Scene
from mjcourse.data.styles import Brush

WHITE: RGB = (255, 255, 255)
THIRDS = dict(zip(PLACES, (0.22, 0.5, 0.78), strict=True))  # where left, center and right are, of the width


def body(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float) -> tuple[float, RGB] | None:
    """Paint the sun or the moon; return where it stands and its colour, for the reflection."""
    if scene.body == "none":
        return None
    pixel = brush.style == "pixel"
    r = 7.2 if pixel else 6.4
    cx = brush.width * (THIRDS[scene.body_place] + rng.uniform(-0.05, 0.05))
    cy = max(r + 3, horizon * rng.uniform(0.24, 0.4))
    colour = palette.BODY_RGB[scene.body_color]
    veil = {"clear": 0.0, "cloudy": 0.0, "rain": 0.15, "snow": 0.1, "fog": 0.12}[scene.weather]
    colour = mix(colour, palette.AIR[scene.weather][0], veil)
    if scene.body == "sun":
        brush.glow(cx, cy, r * 3.4, mix(colour, WHITE, 0.25), 0.75)
        turns = [math.tau * (i + 0.5) / 12 for i in range(12)]
        rays = "".join(
            f"M{cx + math.cos(a - 0.1) * r * 1.15:.2f} {cy + math.sin(a - 0.1) * r * 1.15:.2f}"
            f"L{cx + math.cos(a) * r * 1.62:.2f} {cy + math.sin(a) * r * 1.62:.2f}"
            f"L{cx + math.cos(a + 0.1) * r * 1.15:.2f} {cy + math.sin(a + 0.1) * r * 1.15:.2f}Z"
            for a in turns
        )
        brush.shape(rays, colour, thing=True, line=0.0 if pixel else 0.5)
        brush.shape(disc(cx, cy, r), colour, thing=True, line=0.0 if pixel else 1.0)
    else:
        brush.glow(cx, cy, r * 2.8, mix(colour, WHITE, 0.3), 0.5)
        x, y, b = cx + r * 0.62, cy - r * 0.86, r * 0.9
        crescent = f"M{x:.2f} {y:.2f}A{r * 1.06:.2f} {r * 1.06:.2f} 0 1 0 {x + r * 0.3:.2f} {cy + r * 0.66:.2f}"
        crescent += f"A{b:.2f} {b:.2f} 0 1 1 {x:.2f} {y:.2f}Z"
        brush.shape(crescent, colour, thing=True, line=0.0 if pixel else 1.0)
    return cx, colour


def _cloud(x: float, y: float, s: float) -> str:
    """Return a cloud's outline: three bumps on a flat base, about 4.4 s wide."""
    return (
        f"M{x - 1.6 * s:.2f} {y + 0.8 * s:.2f}a{0.78 * s:.2f} {0.78 * s:.2f} 0 0 1 {0.3 * s:.2f} {-1.36 * s:.2f}"
        f"a{0.98 * s:.2f} {0.98 * s:.2f} 0 0 1 {1.8 * s:.2f} {-0.36 * s:.2f}"
        f"a{0.82 * s:.2f} {0.82 * s:.2f} 0 0 1 {1.06 * s:.2f} {0.66 * s:.2f}"
        f"a{0.56 * s:.2f} {0.56 * s:.2f} 0 0 1 {0.1 * s:.2f} {1.06 * s:.2f}Z"
    )


def stars_and_clouds(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, sun) -> None:
    """Paint stars on clear nights, and clouds beside the sun or moon rather than on it."""
    w = brush.width
    if scene.time == "night" and scene.weather in ("clear", "snow"):
        spots = rng.uniform((0.03 * w, 1.5), (0.97 * w, horizon * 0.8), (14, 2))
        brush.raw("".join(disc(x, y, 0.28 + 0.3 * rng.random()) for x, y in spots), "#ffffff", 0.85)
    count = {"clear": 0, "cloudy": 4, "rain": 4, "snow": 2, "fog": 0}[scene.weather]
    white = {"cloudy": (255, 255, 255), "rain": (112, 120, 138), "snow": (226, 232, 242)}.get(scene.weather, WHITE)
    white = lit(scene, white, 1.15)
    for i in range(count):
        x = w * ((i + rng.uniform(0.2, 0.8)) / count)
        y = horizon * (rng.uniform(0.1, 0.3) if i % 2 else rng.uniform(0.42, 0.6))
        if scene.weather == "rain":
            y = horizon * rng.uniform(0.06, 0.2)
        size = rng.uniform(3.0, 4.2) if scene.weather != "snow" else rng.uniform(2.4, 3.2)
        if sun is not None and abs(x - sun[0]) < 12:  # beside the sun or moon, not before it
            x = sun[0] + math.copysign(12 + rng.uniform(0, 3), x - sun[0])
        brush.shape(_cloud(x, y, size), white, to=mix(white, (120, 140, 180), 0.25), line=0.8)


def fog(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, n: int, strength: float) -> None:
    """Paint `n` banks of fog; with more than two, a wall of it hides the foot of the background."""
    w, h = brush.width, brush.height
    colour = lit(scene, (238, 240, 242), 0.7)
    fill = brush.gradient((0, colour, strength), (0.6, colour, strength * 0.65), (1, colour, 0), radial=True)
    if n > 2:  # the foot of the distance dissolves
        wall = brush.gradient((0, colour, 0), (0.55, colour, 0.8), (1, colour, 0))
        brush.raw(box(0, horizon - 13, w, 22), wall)
    for _ in range(n):
        y, x = rng.uniform(horizon * 0.66, h * 0.95), rng.uniform(0, w)
        rx, ry = rng.uniform(26, 44), rng.uniform(4, 7)
        brush.body.append(f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{rx:.2f}" ry="{ry:.2f}" fill="{fill}"/>')


def weather(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float) -> None:
    """Paint rain or snow in front of everything."""
    w, h = brush.width, brush.height
    if scene.weather == "rain":
        drops = rng.uniform((-4, -4), (w + 8, h), (46, 2))
        if brush.style == "pixel":
            d = "".join(box(2 * round(x / 2), 2 * round(y / 2), 2, 6) for x, y in drops[:22])
            brush.raw(d, "#b4d4f8", 0.9)
            return
        d = ""
        for x, y in drops:
            d += f"M{x:.2f} {y:.2f}l-1.7 5.2l.55 .1l1.7 -5.2Z"
        brush.raw(d, "#e4f0ff", 0.62)
    elif scene.weather == "snow":
        d = "".join(disc(x, y, r) for x, y, r in rng.uniform((0, 0, 0.5), (w, h, 1.15), (46, 3)))
        brush.raw(d, "#ffffff", 0.95)


def mood(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, sun) -> None:
    """Paint a mood's marks: birds for joy, violet mist and fireflies for mystery."""
    w, h = brush.width, brush.height
    if scene.mood == "joyful":
        x0, y0 = rng.uniform(0.15, 0.75) * w, horizon * rng.uniform(0.12, 0.5)
        if sun is not None and abs(x0 + 3 - sun[0]) < 16:  # birds beside the sun, not on its face
            x0 = sun[0] - 24 if sun[0] > w / 2 else sun[0] + 18
        d = ""
        for dx, dy, s in ((0, 0, 1.0), (5.4, -2.2, 0.8), (6.0, 2.4, 0.7)):
            x, y = x0 + dx, y0 + dy
            d += (
                f"M{x - 2.6 * s:.2f} {y - 1.2 * s:.2f}q{1.8 * s:.2f} -.6 {2.6 * s:.2f} {1.5 * s:.2f}"
                f"q{0.8 * s:.2f} {-2.1 * s:.2f} {2.6 * s:.2f} {-1.5 * s:.2f}"
                f"q{-1.9 * s:.2f} .4 {-2.6 * s:.2f} {2.6 * s:.2f}"
                f"q{-0.7 * s:.2f} {-2.2 * s:.2f} {-2.6 * s:.2f} {-2.6 * s:.2f}Z"
            )
        brush.raw(d, "#ffffff" if scene.time == "night" or brush.style == "neon" else "#38324e", 0.9)
    elif scene.mood == "mysterious":
        violet = (128, 84, 200)
        for x, y in rng.uniform((0.1 * w, h * 0.55), (0.9 * w, h * 0.74), (2, 2)):
            fill = brush.gradient((0, violet, 0.45), (1, violet, 0), radial=True)
            brush.body.append(f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="34" ry="5" fill="{fill}"/>')
        for x, y in rng.uniform((0.06 * w, h * 0.36), (0.94 * w, h * 0.94), (7, 2)):
            brush.glow(x, y, 2.3, (190, 255, 190), 0.9)
            brush.raw(disc(x, y, 0.5), "#f4ffd8")
