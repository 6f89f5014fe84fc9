"""What lies below the sky: the background, the water, the ground."""

from __future__ import annotations

import numpy as np

from mjcourse.data import palette
from mjcourse.data.objects import box, disc
from mjcourse.data.palette import RGB, air, css, lit, mix
from mjcourse.data.scenes import Scene
from mjcourse.data.sky import WHITE
from mjcourse.data.styles import Brush


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


def background(scene: Scene, brush: Brush, rng: np.random.Generator, horizon: float) -> None:
    """Paint mountains, hills, a city or a forest on the horizon, paler with distance and haze."""
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


def water(scene, brush: Brush, rng: np.random.Generator, horizon: float, shore: float, sun) -> None:
    """Paint the water between horizon and shore, with waves or glints and the sun\'s or moon\'s reflection."""
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
                d += f"q{step * 0.3:.2f} -3.80 {step * 0.62:.2f} -2.60q{-step * 0.16:.2f} 0.9 {step * 0.38:.2f} 2.6"
                x += step
            rim, pen = css(crest if brush.style != "neon" else (120, 220, 255)), 2.1 if rows == 2 else 1.25
            brush.shape(d + f"V{shore + 6:.2f}H-9Z", mix(far, near, (i + 1) / (rows + 0.4)), line=0)
            brush.body.append(f'<path d="{d}" fill="none" stroke="{rim}" stroke-width="{pen}"/>')
    else:
        for _ in range(5):
            y, x, half = rng.uniform(horizon + 2, shore - 2), rng.uniform(0, w), rng.uniform(3, 7)
            brush.raw(f"M{x - half:.2f} {y:.2f}q{half:.2f} -0.7 {2 * half:.2f} 0q{-half:.2f} 0.7 {-2 * half:.2f} 0Z",
                      css(crest), 0.45)  # fmt: skip


def ground(scene: Scene, brush: Brush, rng: np.random.Generator, shore: float) -> None:
    """Paint the ground below the shore, and what grows or lies on it."""
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
        d = "".join(
            f"M{x - 0.9 * s:.2f} {y:.2f}l{0.5 * s:.2f} {-2.4 * s:.2f}l{0.45 * s:.2f} {2.4 * s:.2f}"
            f"l{0.55 * s:.2f} {-1.8 * s:.2f}l{0.3 * s:.2f} {1.8 * s:.2f}Z"
            for (x, y), s in zip(spots, near, strict=True)
        )
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
