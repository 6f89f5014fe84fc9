"""Paint a scene: layers from the sky to the weather, as SVG, rendered exactly at any size. Chapter 01.

Lengths are in units: the shorter side of a picture is 64 units long whatever its size in pixels.
"""

from __future__ import annotations

import io
import math

import numpy as np
import resvg_py
from PIL import Image

from mjcourse.config import UserError
from mjcourse.data import palette
from mjcourse.data.objects import SHAPES, SIZE, SPACING, TINTS, box, disc
from mjcourse.data.palette import RGB, air, css, lit, mix
from mjcourse.data.scenes import AFLOAT, ASPECTS, PLACES, Scene
from mjcourse.data.styles import Brush, finish

WHITE: RGB = (255, 255, 255)
_THIRDS = dict(zip(PLACES, (0.22, 0.5, 0.78), strict=True))


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
    pixels = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"), np.float32)
    pixels = finish(palette.grade(pixels, scene.mood), scene.style, scene.seed, (w, h))
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def to_svg(scene: Scene, aspect: str = "1:1") -> str:
    """Return the scene as an SVG document, before mood and style are applied to its pixels."""
    w, h = ASPECTS[aspect]
    w, h = w * 64 / min(w, h), h * 64 / min(w, h)
    rng = np.random.default_rng(scene.seed)
    brush = Brush(scene, w, h)
    horizon = h * rng.uniform(0.52, 0.57)
    shore = h * rng.uniform(0.76, 0.8) if scene.water != "none" else horizon + 1.5
    brush.sky(tuple(air(scene, c) for c in palette.SKY[scene.time]), horizon)
    if scene.mood == "gloomy":
        brush.raw(box(0, 0, w, horizon * 0.62), brush.gradient((0, (40, 46, 58), 0.7), (1, (40, 46, 58), 0)))
    sun = _body(scene, brush, rng, horizon)
    _stars_and_clouds(scene, brush, rng, horizon, sun)
    _background(scene, brush, rng, horizon)
    if scene.water != "none":
        _water(scene, brush, rng, horizon, shore, sun)
    _ground(scene, brush, rng, shore)
    if scene.weather == "fog":
        _fog(scene, brush, rng, horizon, 5, 0.85)
    _things(scene, brush, rng, horizon, shore, sun)
    if scene.weather == "fog":
        _fog(scene, brush, rng, horizon, 2, 0.4)
    _weather(scene, brush, rng, horizon)
    _mood(scene, brush, rng, horizon, sun)
    return brush.svg()


def _body(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float) -> tuple[float, RGB] | None:
    """Paint the sun or the moon; return where it stands and its colour, for the reflection."""
    if scene.body == "none":
        return None
    pixel = brush.style == "pixel"
    r = 7.2 if pixel else 6.4
    cx = brush.width * (_THIRDS[scene.body_place] + rng.uniform(-0.05, 0.05))
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


def _stars_and_clouds(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, sun) -> None:
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


def _ridge(rng: np.random.Generator, w: float, base: float, low: float, high: float, n: int, soft: bool) -> str:
    """Return a skyline across the canvas of `n` tops, `low` to `high` units above `base`."""
    xs = np.linspace(-0.1 * w, 1.1 * w, 2 * n + 1) + rng.uniform(-0.03, 0.03, 2 * n + 1) * w
    ys = [base - (rng.uniform(low, high) if i % 2 else rng.uniform(0, low * 0.5)) for i in range(2 * n + 1)]
    d = f"M{xs[0]:.2f} {base + 3:.2f}L{xs[0]:.2f} {ys[0]:.2f}"
    for i in range(1, 2 * n + 1):
        if soft:
            mid = (xs[i - 1] + xs[i]) / 2
            d += f"C{mid:.2f} {ys[i - 1]:.2f} {mid:.2f} {ys[i]:.2f} {xs[i]:.2f} {ys[i]:.2f}"
        else:
            d += f"L{xs[i]:.2f} {ys[i]:.2f}"
    return d + f"L{xs[-1]:.2f} {base + 3:.2f}Z"


def _background(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float) -> None:
    if scene.background == "none":
        return
    w, base = brush.width, horizon + 0.6
    colour = palette.BACKGROUND[scene.background]
    far = lit(scene, air(scene, mix(colour, palette.SKY[scene.time][2], 0.4), 0.8))
    near = lit(scene, air(scene, colour, 0.5))
    if scene.background == "mountains":
        brush.shape(_ridge(rng, w, base, 9, 15, 4, False), far, line=0.6)
        n = 3 if w <= 70 else 5
        for i in range(n):
            x, top, half = w * (i + rng.uniform(0.25, 0.75)) / n, rng.uniform(11, 17), rng.uniform(11, 15)
            brush.shape(f"M{x - half:.2f} {base + 2:.2f}L{x:.2f} {base - top:.2f}L{x + half:.2f} {base + 2:.2f}Z",
                        near, to=mix(near, far, 0.4))  # fmt: skip
            k = 0.34
            cap = f"M{x:.2f} {base - top:.2f}L{x + half * k:.2f} {base - top * (1 - k):.2f}"
            cap += f"L{x + half * 0.08:.2f} {base - top * 0.74:.2f}L{x - half * 0.12:.2f} {base - top * 0.6:.2f}"
            cap += f"L{x - half * k:.2f} {base - top * (1 - k):.2f}Z"
            brush.shape(cap, lit(scene, (250, 252, 255), 0.8), line=0.5)
    elif scene.background == "hills":
        brush.shape(_ridge(rng, w, base, 7, 11, 2, True), far, line=0.8)
        brush.shape(_ridge(rng, w, base, 3, 7, 3, True), near, to=mix(near, (20, 60, 50), 0.25))
    elif scene.background == "forest":
        for colour_, low, high, n in ((far, 9, 13, 11), (near, 6, 10, 13)):
            trees = ""
            for i in range(n):
                x, t, half = w * (i + rng.uniform(0.2, 0.8)) / n, rng.uniform(low, high), w / n * 0.62
                trees += f"M{x - half:.2f} {base + 2:.2f}L{x:.2f} {base - t:.2f}L{x + half:.2f} {base + 2:.2f}Z"
            brush.shape(trees, colour_, line=0.6)
    else:
        glow = scene.time in ("night", "sunset")
        if scene.time == "night":
            near, far = mix(near, (8, 10, 30), 0.4), mix(far, (8, 10, 30), 0.4)
        window = (255, 222, 120) if glow else mix(near, WHITE, 0.45)
        x, panes = -1.0, ""
        while x < w:
            bw, bh = rng.uniform(4.5, 7.5), rng.uniform(7, 18)
            brush.shape(box(x, base - bh, bw, bh + 2), mix(near, far, rng.uniform(0, 0.7)), line=0.7)
            for wy in np.arange(base - bh + 1.6, base - 1.5, 3.0):
                panes += "".join(
                    box(wx, wy, 1.1, 1.3) for wx in np.arange(x + 1.1, x + bw - 1.6, 2.2) if rng.random() < 0.7
                )
            x += bw + rng.uniform(0, 1.2)
        brush.raw(panes, css(window if brush.style == "neon" else brush.tone(window)), 0.95)


def _water(scene, brush: Brush, rng: np.random.Generator, horizon: float, shore: float, sun) -> None:
    w = brush.width
    far, near = (lit(scene, air(scene, c, 0.45), 0.2) for c in palette.WATER[scene.time])
    brush.shape(box(-2, horizon, w + 4, shore - horizon + 8), far, to=near)
    if sun is not None:
        cx, colour = sun
        streak = ""
        for i in range(6):
            y = horizon + 1.4 + (shore - horizon) * i / 6.4
            half, x = rng.uniform(1.4, 3.6), cx + rng.uniform(-1.2, 1.2)
            streak += f"M{x - half:.2f} {y:.2f}q{half:.2f} -1.1 {2 * half:.2f} 0q{-half:.2f} 1.1 {-2 * half:.2f} 0Z"
        brush.raw(streak, css(mix(colour, WHITE, 0.12)), 0.6)
    crest = mix(far, WHITE, 0.62)
    if scene.water == "waves":
        rows = 2 if brush.style == "pixel" else 3
        for i in range(rows):
            y, step = horizon + 3.6 + (shore - horizon) * i / (rows + 0.2), (10.4 if rows == 2 else 7.2) + 1.4 * i
            x = -rng.uniform(0, step)
            d = f"M{x:.2f} {y:.2f}"
            while x < w:
                d += f"q{step * 0.3:.2f} {-3.8:.2f} {step * 0.62:.2f} {-2.6:.2f}q{-step * 0.16:.2f} 0.9 {step * 0.38:.2f} 2.6"
                x += step
            rim = 'fill="none" stroke="{}" stroke-width="{}"'
            brush.shape(d + f"V{shore + 6:.2f}H-9Z", mix(far, near, (i + 1) / (rows + 0.4)), line=0)
            brush.body.append(f'<path d="{d}" {rim.format(css(crest if brush.style != "neon" else (120, 220, 255)), 2.1 if rows == 2 else 1.25)}/>')
    else:
        for _ in range(5):
            y, x, half = rng.uniform(horizon + 2, shore - 2), rng.uniform(0, w), rng.uniform(3, 7)
            brush.raw(f"M{x - half:.2f} {y:.2f}q{half:.2f} -0.7 {2 * half:.2f} 0q{-half:.2f} 0.7 {-2 * half:.2f} 0Z",
                      css(crest), 0.45)  # fmt: skip


def _ground(scene: Scene, brush: Brush, rng: np.random.Generator, shore: float) -> None:
    w, h = brush.width, brush.height
    light, shade = (lit(scene, air(scene, c, 0.2)) for c in palette.GROUND[scene.ground])
    a, b = rng.uniform(-1.6, 1.6, 2)
    edge = f"C{w * 0.3:.2f} {shore + a - 1.4:.2f} {w * 0.62:.2f} {shore + b + 1.6:.2f} {w + 2:.2f} {shore + b:.2f}"
    if scene.water != "none":
        foam = f"M-2 {shore + a - 1.1:.2f}{edge}V{h}H-2Z"
        brush.raw(foam, css(mix(light, WHITE, 0.6)), 0.6, ' transform="translate(0 -0.9)"')
    neon = brush.style == "neon"
    land = f"M-2 {shore + a:.2f}{edge}V{h + 2}H-2Z"
    if neon:
        brush.shape(land, mix(light, brush.night, 0.6), to=mix(shade, brush.night, 0.8), toned=True)
    else:
        brush.shape(land, light, to=shade)
    depth = h - shore
    spots = rng.uniform((0, shore + 1.6), (w, h - 0.5), (22, 2))
    near = 0.5 + (spots[:, 1] - shore) / depth  # things in front are larger

    def mark(colour: RGB) -> str:
        return css(colour if neon else brush.tone(colour))

    if scene.ground == "flowers":
        petals = [(255, 92, 128), (255, 214, 74), (255, 150, 60), (196, 112, 240)]
        for colour in petals:
            rows = rng.uniform((0, shore + 1.8), (w, h - 0.5), (11 if depth < 20 else 20, 2))
            d = "".join(disc(x, y, 0.74 + 0.7 * (y - shore) / depth) for x, y in rows)
            brush.raw(d, mark(lit(scene, colour, 0.6)))
    elif scene.ground == "grass":
        d = "".join(f"M{x - 0.9 * s:.2f} {y:.2f}l{0.5 * s:.2f} {-2.4 * s:.2f}l{0.45 * s:.2f} {2.4 * s:.2f}"
                    f"l{0.55 * s:.2f} {-1.8 * s:.2f}l{0.3 * s:.2f} {1.8 * s:.2f}Z" for (x, y), s in zip(spots, near, strict=True))  # fmt: skip
        brush.raw(d, mark(light if neon else mix(shade, (10, 60, 40), 0.35)), 0.75)
    elif scene.ground == "rock":
        for (x, y), s in sorted(zip(spots[:9], near[:9], strict=True), key=lambda p: p[0][1]):
            r = 2.3 * s
            d = f"M{x - r * 1.3:.2f} {y + r * 0.6:.2f}L{x - r:.2f} {y - r * 0.4:.2f}L{x - r * 0.1:.2f} {y - r:.2f}"
            d += f"L{x + r:.2f} {y - r * 0.5:.2f}L{x + r * 1.4:.2f} {y + r * 0.6:.2f}Z"
            brush.shape(d, mix(light, WHITE, 0.12), to=mix(shade, (40, 36, 48), 0.3), line=0.7)
    elif scene.ground == "snow":
        for x, y in spots[:5]:
            half = rng.uniform(5, 10)
            brush.raw(f"M{x - half:.2f} {y:.2f}q{half:.2f} -2 {2 * half:.2f} 0q{-half:.2f} 0.6 {-2 * half:.2f} 0Z",
                      mark(light if neon else mix(shade, (120, 150, 200), 0.3)), 0.55)  # fmt: skip
    else:
        d = "".join(disc(x, y, 0.28 * s + 0.12) for (x, y), s in zip(spots, near, strict=True))
        brush.raw(d, mark(light if neon else mix(shade, (120, 80, 40), 0.35)), 0.7)
        for x, y in spots[:3]:
            brush.raw(f"M{x - 6:.2f} {y:.2f}q6 -1.5 12 0q-6 .5 -12 0Z", mark(mix(light, WHITE, 0.5)), 0.6)


def _things(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, shore: float, sun) -> None:
    if scene.object == "none":
        return
    w, h = brush.width, brush.height
    n = ("one", "two", "three").index(scene.count) + 1
    paired = scene.companion != "none"
    middle = _THIRDS[scene.place] + rng.uniform(-0.03, 0.03)
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
        _thing(scene, brush, kind, palette.OBJECT_RGB[colour], min(w - size / 2 - margin, max(size / 2 + margin, x)), base, size)


def _thing(scene: Scene, brush: Brush, kind: str, colour: RGB, x: float, base: float, size: float) -> None:
    scale = size / 100
    half = size * {"lighthouse": 0.26, "pine": 0.34, "palm": 0.24, "windmill": 0.26, "parasol": 0.36}.get(kind, 0.46)
    if kind in AFLOAT:
        brush.raw(f"M{x - half:.2f} {base:.2f}h{2 * half:.2f}l-1.6 1.7h{-2 * half + 3.2:.2f}Z", css(brush.tone(mix(colour, (30, 60, 110), 0.4))), 0.5)
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


def _fog(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, n: int, strength: float) -> None:
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


def _weather(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float) -> None:
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


def _mood(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float, sun) -> None:
    w, h = brush.width, brush.height
    if scene.mood == "joyful":
        x0, y0 = rng.uniform(0.15, 0.75) * w, horizon * rng.uniform(0.12, 0.5)
        if sun is not None and abs(x0 + 3 - sun[0]) < 16:  # birds beside the sun, not on its face
            x0 = sun[0] - 24 if sun[0] > w / 2 else sun[0] + 18
        d = ""
        for dx, dy, s in ((0, 0, 1.0), (5.4, -2.2, 0.8), (6.0, 2.4, 0.7)):
            x, y = x0 + dx, y0 + dy
            d += f"M{x - 2.6 * s:.2f} {y - 1.2 * s:.2f}q{1.8 * s:.2f} -.6 {2.6 * s:.2f} {1.5 * s:.2f}q{0.8 * s:.2f} {-2.1 * s:.2f} {2.6 * s:.2f} {-1.5 * s:.2f}q{-1.9 * s:.2f} .4 {-2.6 * s:.2f} {2.6 * s:.2f}q{-0.7 * s:.2f} {-2.2 * s:.2f} {-2.6 * s:.2f} {-2.6 * s:.2f}Z"
        brush.raw(d, "#ffffff" if scene.time == "night" or brush.style == "neon" else "#38324e", 0.9)
    elif scene.mood == "mysterious":
        violet = (128, 84, 200)
        for x, y in rng.uniform((0.1 * w, h * 0.55), (0.9 * w, h * 0.74), (2, 2)):
            fill = brush.gradient((0, violet, 0.45), (1, violet, 0), radial=True)
            brush.body.append(f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="34" ry="5" fill="{fill}"/>')
        for x, y in rng.uniform((0.06 * w, h * 0.36), (0.94 * w, h * 0.94), (7, 2)):
            brush.glow(x, y, 2.3, (190, 255, 190), 0.9)
            brush.raw(disc(x, y, 0.5), "#f4ffd8")
